/* libcurve: temperatures over time, one curve a sensor. */
#ifndef LIBCURVE_H
#define LIBCURVE_H

#include <stddef.h>
#include <stdint.h>

struct point {
	uint32_t time;
	int32_t temperature; /* in hundredths of a degree */
};

struct curve {
	uint32_t sensor;
	uint32_t count, room;
	struct point *points; /* the oldest first */
};

/* How a curve is asked for: points from a number on, each or every so many, and how many at most. */
struct view {
	uint32_t from, every, limit;
};

/* curve_add appends a point; 0 if there is no memory. */
int curve_add(struct curve *c, uint32_t time, int32_t temperature);

/* curve_forward copies points out, at most view->limit, the oldest first, and returns how many; curve_backward
 * those with the newest first. */
size_t curve_forward(const struct curve *c, const struct view *view, struct point *to);
size_t curve_backward(const struct curve *c, const struct view *view, struct point *to);

#endif
