/* liblog: the latest requests, word for word, in a ring. */
#include "liblog.h"

#include <stdlib.h>
#include <string.h>

static char *ring;
static size_t first, used; /* bytes: where the oldest entry is, and of all of them */
static size_t entries;
static uint64_t numbers;

int log_open(void)
{
	return (ring = malloc(LOG_SIZE)) != NULL;
}

static void put(size_t at, const void *from, size_t size)
{
	size_t here = LOG_SIZE - at % LOG_SIZE;

	if (here > size)
		here = size;
	memcpy(ring + at % LOG_SIZE, from, here);
	memcpy(ring, (const char *)from + here, size - here);
}

static void take(size_t at, void *to, size_t size)
{
	size_t here = LOG_SIZE - at % LOG_SIZE;

	if (here > size)
		here = size;
	memcpy(to, ring + at % LOG_SIZE, here);
	memcpy((char *)to + here, ring, size - here);
}

static void forget_oldest(void)
{
	struct log_entry e;

	take(first, &e, sizeof e);
	first += sizeof e + e.size;
	used -= sizeof e + e.size;
	entries--;
}

void log_add(uint32_t client, const void *text, size_t size)
{
	struct log_entry e = { (uint32_t)size, client, ++numbers };

	if (sizeof e + size > LOG_SIZE)
		return;
	while (used + sizeof e + size > LOG_SIZE)
		forget_oldest();
	put(first + used, &e, sizeof e);
	put(first + used + sizeof e, text, size);
	used += sizeof e + size;
	entries++;
}

void log_each(size_t most, void (*show)(const struct log_entry *e, const char *text, void *context), void *context)
{
	size_t at = first;

	for (size_t i = 0; i < entries; i++) {
		struct log_entry e;
		take(at, &e, sizeof e);
		if (i + most >= entries) {
			char *text = malloc(e.size + 1);
			if (!text)
				return;
			take(at + sizeof e, text, e.size);
			text[e.size] = '\0';
			show(&e, text, context);
			free(text);
		}
		at += sizeof e + e.size;
	}
}
