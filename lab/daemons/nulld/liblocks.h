/* liblocks: locks, who holds them and how, and who waits for them. */
#ifndef LIBLOCKS_H
#define LIBLOCKS_H

#include <stddef.h>
#include <stdint.h>

enum { LOCK_LABEL = 64 };

enum mode { SHARED = 1, ALONE = 2 };

enum status { DONE, WAITS, BUSY, NOT_HELD, NO_SESSION, LATE, BAD };

/* A session that holds a lock. */
struct hold {
	struct hold *next;
	uint32_t session;
	uint8_t mode;
};

/* A session that waits for a lock, the longest first. */
struct waiter {
	struct waiter *next;
	long long until; /* in milliseconds; 0 for ever */
	uint32_t session;
	uint8_t mode;
};

struct lock {
	struct lock *next; /* in its row */
	uint64_t id;
	struct hold *holds;
	struct waiter *waiters;
	unsigned long granted;
	char label[LOCK_LABEL];
};

/* What is called when a waiter gets its lock, or when that is over: DONE or LATE. */
typedef void locks_told(uint32_t session, const struct lock *l, uint8_t mode, enum status how);

/* locks_find gives the lock of an id, or NULL; locks_make makes it if need be. */
struct lock *locks_find(uint64_t id);
struct lock *locks_make(uint64_t id);

/* locks_hold gives a session's hold of a lock, or NULL. */
struct hold *locks_hold(const struct lock *l, uint32_t session);

/* locks_take takes a lock at once (DONE), or queues for it until a time (WAITS). */
enum status locks_take(struct lock *l, uint32_t session, uint8_t mode, long long until);

/* locks_convert changes how a session holds a lock that is held. */
enum status locks_convert(struct lock *l, uint32_t session, uint8_t mode);

/* locks_release gives a lock back. locks_forget gives back all that a session has, and it waits no more. */
enum status locks_release(struct lock *l, uint32_t session);
void locks_forget(uint32_t session, locks_told *tell);

/* locks_serve gives a lock to those who wait, as far as it can be; locks_expire ends what has waited too long. */
void locks_serve(struct lock *l, locks_told *tell);
void locks_expire(long long now, locks_told *tell);

#endif
