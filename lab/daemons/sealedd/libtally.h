/* libtally: how many messages there were in each second of an hour, by severity. */
#ifndef LIBTALLY_H
#define LIBTALLY_H

#include <stddef.h>

enum { SECONDS = 3600, SEVERITIES = 8 };

struct tally {
	unsigned second[SECONDS];
	unsigned long severity[SEVERITIES];
	unsigned long messages, bytes;
};

/* tally_add counts a message that was sent in that minute and second. */
void tally_add(struct tally *t, int minute, int second, int severity, size_t size);

/* tally_minute is how many there were in a minute; tally_peak is the second in which most were. */
unsigned long tally_minute(const struct tally *t, int minute);
int tally_peak(const struct tally *t);

#endif
