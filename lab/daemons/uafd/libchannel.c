/* libchannel: named channels, who is in them, and what was said last. */
#include "libchannel.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 16, RECENT = 512 };

static struct channel *buckets[BUCKETS];
static struct channel *recent[RECENT]; /* found lately: most lines go to few channels */

static uint32_t hash(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return h;
}

struct channel *channel_find(const char *name)
{
	uint32_t h = hash(name);
	struct channel *ch = recent[h % RECENT];

	if (ch && !strcmp(ch->name, name))
		return ch;
	for (ch = buckets[h % BUCKETS]; ch; ch = ch->sister)
		if (!strcmp(ch->name, name))
			return recent[h % RECENT] = ch;
	return NULL;
}

struct channel *channel_create(const char *name, const char *owner)
{
	struct channel **bucket = &buckets[hash(name) % BUCKETS];
	struct channel *ch = malloc(sizeof *ch);

	if (!ch)
		return NULL;
	ch->history = malloc(sizeof *ch->history);
	if (!ch->history) {
		free(ch);
		return NULL;
	}
	ch->history->next = 0;
	snprintf(ch->name, sizeof ch->name, "%s", name);
	snprintf(ch->owner, sizeof ch->owner, "%s", owner);
	ch->topic[0] = '\0';
	ch->said = 0;
	ch->sister = *bucket;
	*bucket = ch;
	return ch;
}

void channel_drop(struct channel *ch)
{
	struct channel **link = &buckets[hash(ch->name) % BUCKETS];

	while (*link && *link != ch)
		link = &(*link)->sister;
	if (*link)
		*link = ch->sister;
	free(ch->history);
	free(ch);
}

void channel_say(struct channel *ch, const char *who, const char *text)
{
	struct history *h = ch->history;

	snprintf(h->lines[h->next % LINES], LINE_SIZE, "%s: %s", who, text);
	h->next++;
	ch->said++;
}

size_t channel_last(const struct channel *ch, unsigned n, char *buf, size_t size)
{
	const struct history *h = ch->history;
	size_t out = 0;

	if (n > LINES)
		n = LINES;
	for (unsigned i = h->next > n ? h->next - n : 0; i < h->next && out + LINE_SIZE + 2 < size; i++)
		out += (size_t)snprintf(buf + out, size - out, "%s\n", h->lines[i % LINES]);
	return out;
}

size_t channel_names(char *buf, size_t size)
{
	size_t out = 0;

	for (size_t i = 0; i < BUCKETS; i++)
		for (const struct channel *ch = buckets[i]; ch && out + CHANNEL_NAME + 2 < size; ch = ch->sister)
			out += (size_t)snprintf(buf + out, size - out, "%s\n", ch->name);
	return out;
}
