/* libstore: keys, and every value that each has ever had. */
#include "libstore.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 512 };

static struct record *rows[ROWS];

static struct record **row_of(const char *key)
{
	uint32_t h = 2166136261u;

	while (*key)
		h = (h ^ (uint8_t)*key++) * 16777619u;
	return &rows[h % ROWS];
}

static int begins(const char *key, const char *prefix)
{
	return !strncmp(key, prefix, strlen(prefix));
}

struct record *store_find(const char *key)
{
	struct record *r = *row_of(key);

	while (r && strcmp(r->key, key))
		r = r->next;
	return r;
}

static struct record *make(const char *key)
{
	struct record **row = row_of(key), *r = calloc(1, sizeof *r + strlen(key) + 1);

	if (r) {
		strcpy(r->key, key);
		r->next = *row;
		*row = r;
	}
	return r;
}

struct version *store_put(const char *key, const char *before, size_t before_size, const void *data, size_t size)
{
	struct record *r = store_find(key);
	struct version *v = malloc(sizeof *v + before_size + size);

	if (!v || (!r && !(r = make(key)))) {
		free(v);
		return NULL;
	}
	if (before_size)
		memcpy(v->data, before, before_size);
	memcpy(v->data + before_size, data, size);
	v->size = before_size + size;
	v->number = r->newest ? r->newest->number + 1 : 1;
	v->older = r->newest;
	return r->newest = v;
}

const struct version *store_version(const struct record *r, unsigned number)
{
	const struct version *v = r->newest;

	while (v && v->number != number)
		v = v->older;
	return v;
}

void store_each(const char *prefix, void (*show)(const struct record *r, void *context), void *context)
{
	for (size_t i = 0; i < ROWS; i++)
		for (const struct record *r = rows[i]; r; r = r->next)
			if (begins(r->key, prefix))
				show(r, context);
}

/* bounds finds out how many values there are, and the least and the most size. */
static void bounds(const char *prefix, struct spread *s)
{
	for (size_t i = 0; i < ROWS; i++)
		for (const struct record *r = rows[i]; r; r = r->next)
			for (const struct version *v = begins(r->key, prefix) ? r->newest : NULL; v; v = v->older) {
				if (!s->values || v->size < s->least)
					s->least = v->size;
				if (v->size > s->most)
					s->most = v->size;
				s->values++;
			}
}

int store_spread(const char *prefix, size_t buckets, struct spread *s)
{
	memset(s, 0, sizeof *s);
	bounds(prefix, s);
	if (s->least == s->most) { /* all alike, or none */
		s->width = 1;
		s->count[0] = s->values;
		return s->values > 0;
	}
	s->width = (s->most - s->least) / buckets;
	for (size_t i = 0; i < ROWS; i++)
		for (const struct record *r = rows[i]; r; r = r->next)
			for (const struct version *v = begins(r->key, prefix) ? r->newest : NULL; v; v = v->older) {
				size_t step = (v->size - s->least) / s->width;
				s->count[step < buckets ? step : buckets - 1]++;
			}
	return 1;
}
