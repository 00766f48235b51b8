/* libseries: what was measured lately, by metric and tags. */
#include "libseries.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct series_table {
	size_t rows;
	struct series **row;
};

struct series_table *series_table_new(size_t rows)
{
	struct series_table *t = malloc(sizeof *t);

	if (t) {
		t->rows = rows;
		t->row = calloc(rows, sizeof *t->row);
	}
	return t && t->row ? t : NULL;
}

static struct series **row_of(struct series_table *table, const char *key)
{
	uint32_t hash = 2166136261u;

	for (; *key; key++)
		hash = (hash ^ (uint8_t)*key) * 16777619u;
	return &table->row[hash % table->rows];
}

struct series *series_find(struct series_table *table, const char *key)
{
	struct series *s = *row_of(table, key);

	while (s && strcmp(s->key, key))
		s = s->next;
	return s;
}

struct series *series_new(struct series_table *table, const char *key, const struct tags *tags)
{
	struct series **row = row_of(table, key), *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->key = strdup(key);
	s->label = malloc(tags_room(tags));
	s->window = malloc(SERIES_WINDOW * sizeof *s->window);
	if (!s->key || !s->label || !s->window) {
		free(s->key);
		free(s->label);
		free(s->window);
		free(s);
		return NULL;
	}
	tags_label(tags, s->label);
	s->room = SERIES_WINDOW;
	s->next = *row;
	*row = s;
	return s;
}

void series_add(struct series *s, double value, long long now)
{
	s->window[s->at] = value;
	s->at = (s->at + 1) % s->room;
	s->count++;
	s->sum += value;
	s->seen = now;
}

void series_trim(struct series *s)
{
	size_t used = s->count < s->room ? s->count : s->room;
	double *window;

	if (used == s->room || used == 0)
		return;
	window = realloc(s->window, used * sizeof *window);
	if (window) {
		s->window = window;
		s->room = used;
		s->at = 0;
	}
}

void series_each(struct series_table *table, void (*visit)(struct series *, void *), void *context)
{
	for (size_t i = 0; i < table->rows; i++)
		for (struct series *s = table->row[i]; s; s = s->next)
			visit(s, context);
}

void series_report(const struct series *s, FILE *to)
{
	size_t used = s->count < s->room ? s->count : s->room;
	double most = 0;

	for (size_t i = 0; i < used; i++)
		if (i == 0 || s->window[i] > most)
			most = s->window[i];
	fprintf(to, "%.*s%s count %lu mean %g max %g\n", (int)strcspn(s->key, "|"), s->key, s->label,
	        s->count, s->count ? s->sum / (double)s->count : 0, most);
}
