/* libcurve: temperatures over time. */
#include "libcurve.h"

#include <stdlib.h>

int curve_add(struct curve *c, uint32_t time, int32_t temperature)
{
	if (c->count == c->room) {
		uint32_t room = c->room ? 2 * c->room : 64;
		struct point *grown = realloc(c->points, room * sizeof *grown);
		if (!grown)
			return 0;
		c->points = grown;
		c->room = room;
	}
	c->points[c->count++] = (struct point){ time, temperature };
	return 1;
}

size_t curve_forward(const struct curve *c, const struct view *view, struct point *to)
{
	size_t n = 0;

	for (uint64_t i = view->from; i < c->count && n < view->limit; i += view->every)
		to[n++] = c->points[i];
	return n;
}

size_t curve_backward(const struct curve *c, const struct view *view, struct point *to)
{
	size_t n = 0;

	if (view->from >= c->count)
		return 0;
	if (view->every == 1) {
		for (uint32_t i = c->count; i > view->from && n < view->limit; i--)
			to[n++] = c->points[i - 1];
		return n;
	}
	for (uint32_t i = c->count - 1; i >= view->from && n < view->limit; i -= view->every)
		to[n++] = c->points[i];
	return n;
}
