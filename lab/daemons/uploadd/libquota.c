/* libquota: how much room each owner has, and how much of it is taken. */
#include "libquota.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct account {
	struct account *next;
	uint64_t reserved, used;
	char owner[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct account *accounts;
static uint64_t most;

void quota_limit(uint64_t limit)
{
	most = limit;
}

struct account *quota_open(const char *owner)
{
	struct account *a;

	pthread_mutex_lock(&lock);
	for (a = accounts; a && strcmp(a->owner, owner);)
		a = a->next;
	if (!a && (a = calloc(1, sizeof *a + strlen(owner) + 1))) {
		strcpy(a->owner, owner);
		a->next = accounts;
		accounts = a;
	}
	pthread_mutex_unlock(&lock);
	return a;
}

int quota_reserve(struct account *a, uint64_t size)
{
	int fits;

	pthread_mutex_lock(&lock);
	fits = size <= most - a->used - a->reserved;
	if (fits)
		a->reserved += size;
	pthread_mutex_unlock(&lock);
	return fits;
}

void quota_settle(struct account *a, uint64_t reserved, uint64_t used)
{
	assert(used <= reserved);
	pthread_mutex_lock(&lock);
	a->reserved -= reserved;
	a->used += used;
	pthread_mutex_unlock(&lock);
}

uint64_t quota_free(struct account *a)
{
	uint64_t room;

	pthread_mutex_lock(&lock);
	room = most - a->used - a->reserved;
	pthread_mutex_unlock(&lock);
	return room;
}
