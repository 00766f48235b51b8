/* nulld: a lock service. Requests are 24 bytes, numbers big-endian:
 *
 *	'L', operation, mode, flags; u16 size of the text behind it; u16 nothing
 *	u32 session (whom it is for, if flags say so); u32 patience in milliseconds; u64 lock
 *
 * and answers 16: 'l', status, mode, flags; u32 session or count; u64 lock. What a client does is nobody
 * else's business: all share one buffer, which is wiped as soon as a request is understood. A request that hasn't
 * come in full stays in the kernel. */
#define _GNU_SOURCE
#include "liblocks.h"

#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 256, REQUEST = 24, TEXT = 1024, TICK_MS = 10 };

enum operation { OPEN = 1, LOCK, UNLOCK, CONVERT, QUERY, LABEL, COUNT, CLOSE };

enum { ON_BEHALF = 1 }; /* a supervisor's: for another session than its own */

struct client {
	int fd;
	uint32_t session; /* 0 if none is open */
};

/* A request as far as anything is kept of it. */
struct request {
	uint8_t operation, mode, flags;
	uint32_t session, patience;
	uint64_t lock;
	char label[LOCK_LABEL]; /* of the text */
};

static struct client clients[CLIENTS];
static uint8_t input[REQUEST + TEXT]; /* everybody's */
static uint32_t sessions;
static unsigned long requests;

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void answer(const struct client *c, enum status status, uint8_t mode, uint32_t number, uint64_t lock)
{
	struct { uint8_t magic, status, mode, flags; uint32_t number; uint64_t lock; } __attribute__((packed))
		text = { 'l', (uint8_t)status, mode, 0, htobe32(number), htobe64(lock) };

	send(c->fd, &text, sizeof text, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static struct client *client_of(uint32_t session)
{
	for (size_t i = 0; session && i < CLIENTS; i++)
		if (clients[i].fd >= 0 && clients[i].session == session)
			return &clients[i];
	return NULL;
}

/* tell answers somebody who has waited. */
static void tell(uint32_t session, const struct lock *l, uint8_t mode, enum status how)
{
	const struct client *c = client_of(session);

	if (c)
		answer(c, how, mode, session, l->id);
}

static void end_session(struct client *c)
{
	uint32_t session = c->session;

	c->session = 0;
	if (session)
		locks_forget(session, tell);
}

static void leave(struct client *c)
{
	close(c->fd);
	c->fd = -1;
	end_session(c);
}

static void lock(struct client *c, const struct request *q)
{
	struct lock *l = locks_make(q->lock);
	enum status got = l ? locks_take(l, c->session, q->mode, q->patience ? now_ms() + q->patience : 0) : BAD;

	if (got != WAITS)
		answer(c, got, q->mode, c->session, q->lock);
}

static void unlock(struct client *c, const struct request *q)
{
	struct lock *l = locks_find(q->lock);
	enum status got = l ? locks_release(l, c->session) : NOT_HELD;

	answer(c, got, 0, c->session, q->lock);
	if (got == DONE)
		locks_serve(l, tell);
}

static void convert(struct client *c, const struct request *q)
{
	struct lock *l = locks_find(q->lock);
	uint32_t whose = q->flags & ON_BEHALF ? q->session : c->session;
	enum status got;

	if (!client_of(whose))
		got = NO_SESSION;
	else if (!l || !l->holds || (whose == c->session && !locks_hold(l, whose)))
		got = NOT_HELD;
	else
		got = locks_convert(l, whose, q->mode);
	answer(c, got, q->mode, whose, q->lock);
	if (got == DONE)
		locks_serve(l, tell);
}

static void query(struct client *c, const struct request *q)
{
	const struct lock *l = locks_find(q->lock);
	uint32_t holders = 0;

	for (const struct hold *h = l ? l->holds : NULL; h; h = h->next)
		holders++;
	answer(c, DONE, holders ? l->holds->mode : 0, holders, q->lock);
}

static void label(struct client *c, const struct request *q)
{
	struct lock *l = locks_make(q->lock);

	if (l)
		memcpy(l->label, q->label, sizeof l->label);
	answer(c, l ? DONE : BAD, 0, c->session, q->lock);
}

/* open_session numbers sessions so that a number that is mistyped or old is hardly another's. */
static void open_session(struct client *c)
{
	end_session(c);
	c->session = ++sessions * 40503u | 0x10000000u;
	answer(c, DONE, 0, c->session, 0);
}

static void obey(struct client *c, const struct request *q)
{
	int needs_mode = q->operation == LOCK || q->operation == CONVERT;

	requests++;
	if (needs_mode && q->mode != SHARED && q->mode != ALONE)
		answer(c, BAD, q->mode, c->session, q->lock);
	else if (q->operation == OPEN)
		open_session(c);
	else if (q->operation == COUNT)
		answer(c, DONE, 0, (uint32_t)requests, 0);
	else if (!c->session)
		answer(c, NO_SESSION, 0, 0, q->lock);
	else if (q->operation == LOCK)
		lock(c, q);
	else if (q->operation == UNLOCK)
		unlock(c, q);
	else if (q->operation == CONVERT)
		convert(c, q);
	else if (q->operation == QUERY)
		query(c, q);
	else if (q->operation == LABEL)
		label(c, q);
	else if (q->operation == CLOSE)
		leave(c);
	else
		answer(c, BAD, 0, c->session, q->lock);
}

/* parse reads a request of which size bytes are there; returns how many it has, or 0 if it is none. More than
 * size means that it is to be read again when so many have come. */
static size_t parse(struct request *q, size_t size)
{
	size_t text = (size_t)(input[4] << 8 | input[5]), kept = text < LOCK_LABEL ? text : LOCK_LABEL - 1;
	uint32_t numbers[2];

	if (input[0] != 'L' || text > TEXT)
		return 0;
	if (REQUEST + text > size)
		return REQUEST + text;
	q->operation = input[1];
	q->mode = input[2];
	q->flags = input[3];
	memcpy(numbers, input + 8, sizeof numbers);
	q->session = be32toh(numbers[0]);
	q->patience = be32toh(numbers[1]);
	memcpy(&q->lock, input + 16, sizeof q->lock);
	q->lock = be64toh(q->lock);
	memset(q->label, 0, sizeof q->label);
	memcpy(q->label, input + REQUEST, kept);
	return REQUEST + text;
}

/* expect asks to be told only when so many bytes are there. */
static void expect(const struct client *c, size_t size)
{
	int least = (int)size;

	setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least);
}

/* understand takes one request from a client's line; 0 if there is no whole one. */
static int understand(struct client *c, struct request *q)
{
	ssize_t n = recv(c->fd, input, sizeof input, MSG_PEEK | MSG_DONTWAIT);
	size_t size = n < REQUEST ? REQUEST : parse(q, (size_t)n);

	if (n > 0 && size > (size_t)n) {
		expect(c, size);
	} else if (n > 0 && size) {
		recv(c->fd, input, size, 0);
		expect(c, REQUEST);
	} else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) || (n > 0 && !size)) {
		leave(c);
	}
	explicit_bzero(input, sizeof input);
	return n > 0 && size && size <= (size_t)n;
}

static void from_client(struct client *c, int gone)
{
	struct request q;

	if (understand(c, &q))
		obey(c, &q);
	else if (gone && c->fd >= 0)
		leave(c);
}

static void welcome(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < CLIENTS; i++) {
		if (clients[i].fd >= 0)
			continue;
		clients[i] = (struct client){ fd, 0 };
		expect(&clients[i], REQUEST);
		return;
	}
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd fds[CLIENTS + 1];

	if (argc != 2) {
		fprintf(stderr, "usage: nulld PORT\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < CLIENTS; i++)
		clients[i].fd = -1;
	at.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 128) < 0) {
		perror("nulld");
		return 1;
	}
	for (;;) {
		fds[CLIENTS] = (struct pollfd){ listener, POLLIN, 0 };
		for (size_t i = 0; i < CLIENTS; i++)
			fds[i] = (struct pollfd){ clients[i].fd, POLLIN | POLLRDHUP, 0 };
		if (poll(fds, CLIENTS + 1, TICK_MS) < 0 && errno != EINTR)
			return 1;
		for (size_t i = 0; i < CLIENTS; i++)
			if (fds[i].revents && fds[i].fd == clients[i].fd)
				from_client(&clients[i], (fds[i].revents & (POLLHUP | POLLERR | POLLRDHUP)) != 0);
		if (fds[CLIENTS].revents)
			welcome(listener);
		locks_expire(now_ms(), tell);
	}
}
