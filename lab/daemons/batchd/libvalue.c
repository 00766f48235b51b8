/* libvalue: a table of values. */
#include "libvalue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct value_table {
	size_t rows;
	struct value *row[];
};

struct value_table *value_table_new(size_t rows)
{
	struct value_table *t = calloc(1, sizeof *t + rows * sizeof *t->row);

	if (t)
		t->rows = rows;
	return t;
}

/* value_slot is what points to a value, or where a new one of that name belongs. */
static struct value **value_slot(struct value_table *t, const char *name)
{
	uint32_t hash = 0;
	struct value **at;

	for (const char *c = name; *c; c++)
		hash = (hash << 5 | hash >> 27) + (uint8_t)*c;
	for (at = &t->row[hash % t->rows]; *at && strcmp((*at)->name, name); at = &(*at)->next)
		;
	return at;
}

struct value *value_get(struct value_table *t, const char *name)
{
	return *value_slot(t, name);
}

struct value *value_make(struct value_table *t, const char *name)
{
	struct value **at = value_slot(t, name);

	if (!*at && (*at = calloc(1, sizeof **at)))
		snprintf((*at)->name, VALUE_NAME, "%s", name);
	return *at;
}

int value_write(struct value *v, uint32_t at, const void *bytes, uint32_t size)
{
	uint32_t end = at + size;
	uint8_t *grown;

	if (end > VALUE_MOST)
		return 0;
	if (end > v->size) {
		grown = realloc(v->bytes, end);
		if (!grown)
			return 0;
		memset(grown + v->size, 0, end - v->size);
		v->bytes = grown;
		v->size = end;
	}
	memcpy(v->bytes + at, bytes, size);
	return 1;
}

void value_drop(struct value_table *t, const char *name)
{
	struct value **at = value_slot(t, name), *v = *at;

	if (!v)
		return;
	*at = v->next;
	free(v->bytes);
	free(v);
}
