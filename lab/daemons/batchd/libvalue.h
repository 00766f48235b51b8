/* libvalue: a table of values, each a growing row of bytes with a name. */
#ifndef LIBVALUE_H
#define LIBVALUE_H

#include <stddef.h>
#include <stdint.h>

enum { VALUE_NAME = 64, VALUE_MOST = 1 << 20 };

struct value {
	struct value *next;
	char name[VALUE_NAME];
	uint32_t size;
	uint8_t *bytes;
};

struct value_table;

struct value_table *value_table_new(size_t rows);

/* value_get finds a value, or NULL; value_make makes it if need be, NULL if there is no memory. */
struct value *value_get(struct value_table *t, const char *name);
struct value *value_make(struct value_table *t, const char *name);

/* value_write puts bytes at a place in the value, which grows to hold them, with zeros between; 0 if it
 * would be too big. */
int value_write(struct value *v, uint32_t at, const void *bytes, uint32_t size);

void value_drop(struct value_table *t, const char *name);

#endif
