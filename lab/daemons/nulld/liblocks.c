/* liblocks: locks, who holds them and how, and who waits for them. */
#include "liblocks.h"

#include <stdlib.h>

enum { ROWS = 256 };

static struct lock *rows[ROWS];

static struct lock **row_of(uint64_t id)
{
	return &rows[(id * 0x9e3779b97f4a7c15u) >> 56];
}

struct lock *locks_find(uint64_t id)
{
	struct lock *l = *row_of(id);

	while (l && l->id != id)
		l = l->next;
	return l;
}

struct lock *locks_make(uint64_t id)
{
	struct lock **row = row_of(id), *l = locks_find(id);

	if (!l && (l = calloc(1, sizeof *l))) {
		l->id = id;
		l->next = *row;
		*row = l;
	}
	return l;
}

struct hold *locks_hold(const struct lock *l, uint32_t session)
{
	struct hold *h = l->holds;

	while (h && h->session != session)
		h = h->next;
	return h;
}

/* fits says whether one more may hold a lock. */
static int fits(const struct lock *l, uint8_t mode)
{
	return !l->holds || (mode == SHARED && l->holds->mode == SHARED);
}

static int grant(struct lock *l, uint32_t session, uint8_t mode)
{
	struct hold *h = malloc(sizeof *h);

	if (!h)
		return 0;
	*h = (struct hold){ l->holds, session, mode };
	l->holds = h;
	l->granted++;
	return 1;
}

enum status locks_take(struct lock *l, uint32_t session, uint8_t mode, long long until)
{
	struct waiter **last = &l->waiters;

	if (locks_hold(l, session))
		return BUSY;
	if (!l->waiters && fits(l, mode))
		return grant(l, session, mode) ? DONE : BAD;
	while (*last)
		last = &(*last)->next;
	if (!(*last = malloc(sizeof **last)))
		return BAD;
	**last = (struct waiter){ NULL, until, session, mode };
	return WAITS;
}

enum status locks_convert(struct lock *l, uint32_t session, uint8_t mode)
{
	struct hold *h = locks_hold(l, session);

	if (mode == ALONE && l->holds->next) /* not alone */
		return BUSY;
	h->mode = mode;
	return DONE;
}

enum status locks_release(struct lock *l, uint32_t session)
{
	struct hold **link = &l->holds, *h;

	while (*link && (*link)->session != session)
		link = &(*link)->next;
	if (!(h = *link))
		return NOT_HELD;
	*link = h->next;
	free(h);
	return DONE;
}

void locks_serve(struct lock *l, locks_told *tell)
{
	while (l->waiters && fits(l, l->waiters->mode)) {
		struct waiter *w = l->waiters;
		if (!grant(l, w->session, w->mode))
			return;
		l->waiters = w->next;
		tell(w->session, l, w->mode, DONE);
		free(w);
	}
}

static void stop_waiting(struct lock *l, uint32_t session)
{
	struct waiter **link = &l->waiters;

	while (*link) {
		struct waiter *w = *link;
		if (w->session == session) {
			*link = w->next;
			free(w);
		} else {
			link = &w->next;
		}
	}
}

void locks_forget(uint32_t session, locks_told *tell)
{
	for (size_t i = 0; i < ROWS; i++)
		for (struct lock *l = rows[i]; l; l = l->next) {
			stop_waiting(l, session);
			if (locks_release(l, session) == DONE)
				locks_serve(l, tell);
		}
}

void locks_expire(long long now, locks_told *tell)
{
	for (size_t i = 0; i < ROWS; i++)
		for (struct lock *l = rows[i]; l; l = l->next)
			for (struct waiter **link = &l->waiters; *link;) {
				struct waiter *w = *link;
				if (!w->until || w->until > now) {
					link = &w->next;
					continue;
				}
				*link = w->next;
				tell(w->session, l, w->mode, LATE);
				free(w);
			}
}
