/* libkeep: keys and values, each for as long as it may live. */
#include "libkeep.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 1024, SWEEP = 16 };

static struct item *rows[ROWS];
static size_t items, swept;

static struct item **row_of(const char *key)
{
	uint32_t h = 5381;

	while (*key)
		h = h * 33 ^ (uint8_t)*key++;
	return &rows[h % ROWS];
}

/* place is the link that points to a key's item, or the one at its row's end. */
static struct item **place(const char *key)
{
	struct item **link = row_of(key);

	while (*link && strcmp((*link)->key, key))
		link = &(*link)->next;
	return link;
}

static void drop(struct item **link)
{
	struct item *it = *link;

	*link = it->next;
	free(it->value);
	free(it);
	items--;
}

struct item *keep_find(const char *key, long long now)
{
	struct item **link = place(key);

	if (*link && (*link)->until && (*link)->until <= now)
		drop(link);
	return *link && !strcmp((*link)->key, key) ? *link : NULL;
}

struct item *keep_set(const char *key, const void *value, size_t size, long long until)
{
	struct item **link = place(key), *it = *link;
	char *copy = malloc(size + 1);

	if (!copy)
		return NULL;
	if (!it) {
		it = calloc(1, sizeof *it + strlen(key) + 1);
		if (!it) {
			free(copy);
			return NULL;
		}
		strcpy(it->key, key);
		*link = it;
		items++;
	}
	memcpy(copy, value, size);
	copy[size] = '\0';
	free(it->value);
	it->value = copy;
	it->size = size;
	it->until = until;
	return it;
}

int keep_patch(struct item *it, size_t offset, const void *text, size_t size)
{
	if (offset > KEEP_VALUE || size > KEEP_VALUE - offset)
		return 0;
	if (offset + size > it->size) {
		char *larger = realloc(it->value, offset + size + 1);
		if (!larger)
			return 0;
		memset(larger + it->size, 0, offset + size + 1 - it->size);
		it->value = larger;
		it->size = offset + size;
	}
	memcpy(it->value + offset, text, size);
	return 1;
}

int keep_drop(const char *key)
{
	struct item **link = place(key);

	if (!*link)
		return 0;
	drop(link);
	return 1;
}

void keep_expire(long long now)
{
	for (size_t i = 0; i < SWEEP; i++) {
		struct item **link = &rows[swept++ % ROWS];
		while (*link)
			if ((*link)->until && (*link)->until <= now)
				drop(link);
			else
				link = &(*link)->next;
	}
}

size_t keep_count(void)
{
	return items;
}
