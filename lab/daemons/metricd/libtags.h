/* libtags: a metric's tags, and the labels that they become in a report. */
#ifndef LIBTAGS_H
#define LIBTAGS_H

#include <stddef.h>

enum { TAGS = 24 };

/* A tag as it was sent: its parts point into the line. */
struct tag {
	const char *name, *value;
	size_t name_size, value_size;
};

struct tags {
	struct tag tag[TAGS];
	size_t count;
};

/* tags_parse reads "a:b,c:d"; 0 if there are too many or one has no name. */
int tags_parse(struct tags *tags, const char *text);

/* tags_room is how many bytes tags_label writes: {a="b",c="d"} with a zero behind it, and quotes in a
 * value escaped. */
size_t tags_room(const struct tags *tags);
void tags_label(const struct tags *tags, char *to);

#endif
