/* libpool: pools of things that can be leased. */
#include "libpool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pool *pool_find(struct pool *all, const char *name)
{
	while (all && strcmp(all->name, name))
		all = all->next;
	return all;
}

struct pool *pool_make(struct pool **all, const char *name, uint32_t size)
{
	struct pool *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	snprintf(p->name, sizeof p->name, "%s", name);
	p->size = size;
	p->next = *all;
	*all = p;
	return p;
}

int pool_reserve(struct pool *p, uint32_t count)
{
	if (count > p->size || p->leased > p->size - count)
		return 0;
	p->reserved = count;
	return 1;
}

uint32_t pool_lease(struct pool *p, const char *holder)
{
	struct lease *l;

	if (p->leased >= p->size - p->reserved)
		return 0;
	l = calloc(1, sizeof *l);
	if (!l)
		return 0;
	l->number = ++p->next_number;
	snprintf(l->holder, sizeof l->holder, "%s", holder);
	l->next = p->leases;
	p->leases = l;
	p->leased++;
	return l->number;
}

int pool_release(struct pool *p, uint32_t number)
{
	for (struct lease **at = &p->leases; *at; at = &(*at)->next) {
		struct lease *l = *at;
		if (l->number != number)
			continue;
		*at = l->next;
		free(l);
		p->leased--;
		return 1;
	}
	return 0;
}

void pool_measure(struct pool *p)
{
	uint32_t now = p->leased * 100 / (p->size - p->reserved);

	p->load = (p->load * 3 + now) / 4;
}
