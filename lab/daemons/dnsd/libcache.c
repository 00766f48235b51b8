/* libcache: answers that were seen lately, by question. */
#include "libcache.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	char name[256];
	uint16_t type;
	time_t until;
	uint8_t *answer;
	size_t size;
};

struct cache {
	size_t entries;
	struct entry *slot;
};

struct cache *cache_new(size_t entries)
{
	struct cache *c = malloc(sizeof *c);

	if (!c)
		return NULL;
	c->entries = entries;
	c->slot = calloc(entries, sizeof *c->slot);
	return c;
}

static struct entry *slot_of(struct cache *c, const char *name, uint16_t type)
{
	uint32_t hash = 2166136261u ^ type;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)tolower((unsigned char)*name)) * 16777619u;
	return &c->slot[hash % c->entries];
}

void cache_put(struct cache *c, const char *name, uint16_t type, const uint8_t *answer, size_t size, time_t until)
{
	struct entry *e = slot_of(c, name, type);
	uint8_t *copy = malloc(size);

	if (!copy)
		return;
	memcpy(copy, answer, size);
	free(e->answer);
	strncpy(e->name, name, sizeof e->name - 1);
	e->type = type;
	e->until = until;
	e->answer = copy;
	e->size = size;
}

size_t cache_get(struct cache *c, const char *name, uint16_t type, uint8_t *answer, size_t room)
{
	struct entry *e = slot_of(c, name, type);

	if (!e->answer || e->type != type || e->until <= time(NULL) || e->size > room || strcasecmp(e->name, name))
		return 0;
	memcpy(answer, e->answer, e->size);
	return e->size;
}
