/* libstore: keys, and every value that each has ever had. */
#ifndef LIBSTORE_H
#define LIBSTORE_H

#include <stddef.h>

enum { STORE_BUCKETS = 64 };

/* A value; the older ones hang on the newer. */
struct version {
	struct version *older;
	unsigned number;
	size_t size;
	char data[];
};

struct record {
	struct record *next; /* in its row */
	struct version *newest;
	char key[];
};

/* How the sizes of some values are spread, in steps of a width. */
struct spread {
	size_t values, least, most, width;
	size_t count[STORE_BUCKETS];
};

/* store_find gives the record of a key, or NULL. */
struct record *store_find(const char *key);

/* store_put gives a key a new value, which begins with what is of the old one: nothing, or all of it. */
struct version *store_put(const char *key, const char *before, size_t before_size, const void *data, size_t size);

/* store_version gives a record's value of that number, or NULL. */
const struct version *store_version(const struct record *r, unsigned number);

/* store_each shows all records whose keys begin with a prefix. */
void store_each(const char *prefix, void (*show)(const struct record *r, void *context), void *context);

/* store_spread reckons how the sizes of all values are spread whose keys begin with a prefix; 0 if there is none. */
int store_spread(const char *prefix, size_t buckets, struct spread *s);

#endif
