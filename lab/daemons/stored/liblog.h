/* liblog: the latest requests, word for word, in a ring. */
#ifndef LIBLOG_H
#define LIBLOG_H

#include <stddef.h>
#include <stdint.h>

enum { LOG_SIZE = 4 << 20 };

/* An entry, with its text behind it. */
struct log_entry {
	uint32_t size, client;
	uint64_t number;
};

/* log_open makes the ring; 0 without memory. */
int log_open(void);

/* log_add keeps a request, and forgets as many of the oldest as that takes. */
void log_add(uint32_t client, const void *text, size_t size);

/* log_each shows the latest most entries, the oldest of them first. */
void log_each(size_t most, void (*show)(const struct log_entry *e, const char *text, void *context), void *context);

#endif
