/* libhpack: the headers of HTTP/2 (RFC 7541). */
#ifndef LIBHPACK_H
#define LIBHPACK_H

#include <stddef.h>
#include <stdint.h>

enum { TABLE_SIZE = 4096, SLOTS = TABLE_SIZE / 32, FIELDS = 64 };

struct entry {
	const char *name, *value;
	size_t name_size, value_size;
};

/* A header field as a block has it: an entry of a table, or one of its own. */
struct field {
	const struct entry *entry;
	int own;
};

struct fields {
	size_t count;
	struct field list[FIELDS];
};

/* The dynamic table of a connection, a ring: the newest entry is the first that can be named. */
struct table {
	struct entry *ring[SLOTS];
	size_t next, count; /* the newest stands before next */
	size_t used, size;  /* as section 4.1 counts */
};

/* hpack_decode reads a whole block; -1 if it is damaged, after which the connection can't go on. */
int hpack_decode(struct table *t, const uint8_t *block, size_t size, struct fields *to);

/* table_evict drops the oldest entries until no more than so much is used. */
void table_evict(struct table *t, size_t most);

/* fields_find gives the first field of that name, or NULL. */
const struct entry *fields_find(const struct fields *f, const char *name);
void fields_free(struct fields *f);

#endif
