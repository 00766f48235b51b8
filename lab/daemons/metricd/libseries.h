/* libseries: what was measured lately, by metric and tags. */
#ifndef LIBSERIES_H
#define LIBSERIES_H

#include "libtags.h"

#include <stdio.h>

enum { SERIES_WINDOW = 64 };

struct series {
	struct series *next;  /* in the table's row */
	char *key;            /* "name|type|#tags" as it is sent */
	char *label;          /* tags for the report */
	double *window;       /* the latest samples, a ring */
	size_t room, at;      /* of the window */
	unsigned long count;  /* all samples ever */
	double sum;
	long long seen;       /* when the last one came, in milliseconds */
};

struct series_table;

struct series_table *series_table_new(size_t rows);

/* series_find gives the series of a key, or NULL; series_new makes it. */
struct series *series_find(struct series_table *table, const char *key);
struct series *series_new(struct series_table *table, const char *key, const struct tags *tags);

void series_add(struct series *s, double value, long long now);

/* series_trim gives back what an idle series' window doesn't use. */
void series_trim(struct series *s);

/* series_each calls visit for every series. */
void series_each(struct series_table *table, void (*visit)(struct series *, void *), void *context);

/* series_report writes one series: name and labels, count, mean and the window's largest sample. */
void series_report(const struct series *s, FILE *to);

#endif
