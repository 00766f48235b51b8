/* libtally: how many messages there were in each second of an hour, by severity. */
#include "libtally.h"

#include <assert.h>

void tally_add(struct tally *t, int minute, int second, int severity, size_t size)
{
	int slot = minute * 60 + second;

	assert(slot >= 0 && slot < SECONDS);
	assert(severity >= 0 && severity < SEVERITIES);
	t->second[slot]++;
	t->severity[severity]++;
	t->messages++;
	t->bytes += size;
}

unsigned long tally_minute(const struct tally *t, int minute)
{
	unsigned long sum = 0;

	for (int i = 0; i < 60; i++)
		sum += t->second[minute * 60 + i];
	return sum;
}

int tally_peak(const struct tally *t)
{
	int most = 0;

	for (int i = 1; i < SECONDS; i++)
		if (t->second[i] > t->second[most])
			most = i;
	return most;
}
