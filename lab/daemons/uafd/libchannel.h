/* libchannel: named channels, who is in them, and what was said last. */
#ifndef LIBCHANNEL_H
#define LIBCHANNEL_H

#include <stddef.h>

enum { CHANNEL_NAME = 48, LINE_SIZE = 400, LINES = 32 };

struct history {
	unsigned next;
	char lines[LINES][LINE_SIZE];
};

struct channel {
	struct history *history;
	unsigned long said;
	char name[CHANNEL_NAME];
	char topic[200];
	char owner[32];
	struct channel *sister; /* in the same bucket */
};

/* channel_find gives the channel of that name, or NULL. channel_create makes it. */
struct channel *channel_find(const char *name);
struct channel *channel_create(const char *name, const char *owner);

/* channel_drop ends a channel. */
void channel_drop(struct channel *ch);

/* channel_say keeps a line; channel_last writes the last n lines to buf. */
void channel_say(struct channel *ch, const char *who, const char *text);
size_t channel_last(const struct channel *ch, unsigned n, char *buf, size_t size);

/* channel_names writes the names of all channels. */
size_t channel_names(char *buf, size_t size);

#endif
