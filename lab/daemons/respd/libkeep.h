/* libkeep: keys and values, each for as long as it may live. */
#ifndef LIBKEEP_H
#define LIBKEEP_H

#include <stddef.h>

enum { KEEP_KEY = 200, KEEP_VALUE = 65536 };

struct item {
	struct item *next; /* in its row */
	char *value;
	size_t size;
	long long until; /* in milliseconds; 0 for ever */
	char key[];
};

/* keep_find gives the item of a key if it still lives, or NULL. */
struct item *keep_find(const char *key, long long now);

/* keep_set stores a value, of a new key or in place of the old one; NULL without memory. */
struct item *keep_set(const char *key, const void *value, size_t size, long long until);

/* keep_patch writes over a part of a value, which grows as far as needed; 0 if it would grow too large. */
int keep_patch(struct item *it, size_t offset, const void *text, size_t size);

/* keep_drop forgets a key; 0 if there is none. */
int keep_drop(const char *key);

/* keep_expire forgets some of what lives no more; keep_count is how many items there are. */
void keep_expire(long long now);
size_t keep_count(void);

#endif
