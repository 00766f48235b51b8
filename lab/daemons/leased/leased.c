/* leased: leases things out of pools. Messages are netstrings over TCP, LENGTH:text, with a comma behind;
 * each request is answered with one:
 *
 *	make POOL SIZE       a pool
 *	lease POOL HOLDER    the lease's number
 *	release POOL NUMBER
 *	reserve POOL COUNT   so many are kept back
 *	show POOL | list     as they are, with their load as last measured
 *	await POOL           answered when something is released there
 *
 * Loads are measured by the clock, for all pools at once. */
#define _GNU_SOURCE
#include "libpool.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { CLIENTS = 512, INPUT = 4096, EVENTS = 16, WORDS = 4, MOST = 1 << 20 };

/* Clients' buffers stay when they go, for those who come next. */
struct client {
	int fd;
	struct pool *awaits;
	size_t size;
	char input[INPUT];
};

static struct client clients[CLIENTS];
static struct pool *pools;
static int queue;

__attribute__((format(printf, 2, 3))) static void reply(const struct client *c, const char *format, ...)
{
	char text[1024], whole[1100];
	va_list list;
	int n;

	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	n = snprintf(whole, sizeof whole, "%zu:%s,", strlen(text), text);
	send(c->fd, whole, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void leave(struct client *c)
{
	close(c->fd);
	c->fd = -1;
	c->awaits = NULL;
	c->size = 0;
}

static void wake(const struct pool *p)
{
	for (size_t i = 0; i < CLIENTS; i++) {
		if (clients[i].fd < 0 || clients[i].awaits != p)
			continue;
		clients[i].awaits = NULL;
		reply(&clients[i], "free %s", p->name);
	}
}

static void show(const struct client *c, const struct pool *p)
{
	reply(c, "ok %s size %u reserved %u leased %u load %u%%", p->name, p->size, p->reserved, p->leased, p->load);
}

static void list_pools(const struct client *c)
{
	char text[900] = "ok";
	size_t n = 2;

	for (const struct pool *p = pools; p && n + POOL_NAME + 2 < sizeof text; p = p->next)
		n += (size_t)snprintf(text + n, sizeof text - n, " %s", p->name);
	reply(c, "%s", text);
}

static void make(const struct client *c, const char *name, unsigned long size)
{
	if (strlen(name) >= POOL_NAME || pool_find(pools, name))
		reply(c, "no: there is one, or it has no name");
	else if (size < 1 || size > MOST)
		reply(c, "no: a pool has 1 to %d", MOST);
	else
		reply(c, pool_make(&pools, name, (uint32_t)size) ? "ok" : "no: memory");
}

/* at_pool carries out what is about one pool. */
static void at_pool(struct client *c, const char *verb, struct pool *p, const char *word)
{
	unsigned long number = word ? strtoul(word, NULL, 10) : 0;

	if (!strcmp(verb, "show")) {
		show(c, p);
	} else if (!strcmp(verb, "await")) {
		c->awaits = p;
	} else if (!word) {
		reply(c, "no: what?");
	} else if (!strcmp(verb, "lease")) {
		uint32_t lease = strlen(word) < POOL_HOLDER ? pool_lease(p, word) : 0;
		if (lease)
			reply(c, "ok %u", lease);
		else
			reply(c, "no: nothing is free");
	} else if (!strcmp(verb, "release")) {
		int was = pool_release(p, (uint32_t)number);
		reply(c, was ? "ok" : "no: there is no such lease");
		if (was)
			wake(p);
	} else if (!strcmp(verb, "reserve")) {
		reply(c, number <= MOST && pool_reserve(p, (uint32_t)number) ? "ok" : "no: there aren't so many");
	} else {
		reply(c, "no: there is no %.40s", verb);
	}
}

static void obey(struct client *c, char *text)
{
	char *word[WORDS] = { 0 };
	struct pool *p;

	for (size_t n = 0; n < WORDS && text; n++)
		word[n] = strsep(&text, " ");
	if (!strcmp(word[0], "list")) {
		list_pools(c);
	} else if (!word[1]) {
		reply(c, "no: what?");
	} else if (!strcmp(word[0], "make")) {
		make(c, word[1], word[2] ? strtoul(word[2], NULL, 10) : 0);
	} else {
		p = pool_find(pools, word[1]);
		if (p)
			at_pool(c, word[0], p, word[2]);
		else
			reply(c, "no: there is no such pool");
	}
}

/* netstring finds the first message of an input: 1 if it is whole, 0 if not yet, -1 if it never will be. */
static int netstring(const char *input, size_t size, size_t *from, size_t *length)
{
	size_t n = 0, at = 0;

	while (at < size && input[at] >= '0' && input[at] <= '9' && n < INPUT)
		n = n * 10 + (size_t)(input[at++] - '0');
	if (at == size)
		return n < INPUT ? 0 : -1;
	if (input[at] != ':' || at == 0 || at + n + 2 > INPUT)
		return -1;
	*from = at + 1;
	*length = n;
	if (*from + n + 1 > size)
		return 0;
	return input[*from + n] == ',' ? 1 : -1;
}

static void from_client(struct client *c)
{
	ssize_t n = recv(c->fd, c->input + c->size, INPUT - c->size, MSG_DONTWAIT);
	size_t from, length;
	int whole;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		leave(c);
		return;
	}
	c->size += (size_t)n;
	while ((whole = netstring(c->input, c->size, &from, &length)) > 0) {
		c->input[from + length] = '\0';
		obey(c, c->input + from);
		c->size -= from + length + 1;
		memmove(c->input, c->input + from + length + 1, c->size);
	}
	if (whole < 0) {
		reply(c, "no: that is no netstring");
		leave(c);
	}
}

static void watch(int fd, void *as)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = as };

	epoll_ctl(queue, EPOLL_CTL_ADD, fd, &e);
}

static void welcome(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < CLIENTS; i++) {
		if (clients[i].fd >= 0)
			continue;
		clients[i].fd = fd;
		watch(fd, &clients[i]);
		return;
	}
	if (fd >= 0)
		close(fd);
}

static void measure(int clock)
{
	uint64_t ticks;

	if (read(clock, &ticks, sizeof ticks) != sizeof ticks)
		return;
	for (struct pool *p = pools; p; p = p->next)
		pool_measure(p);
}

static int start_clock(long ms)
{
	struct timespec every = { ms / 1000, ms % 1000 * 1000000L };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	return fd < 0 || timerfd_settime(fd, 0, &(struct itimerspec){ every, every }, NULL) < 0 ? -1 : fd;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	struct epoll_event ready[EVENTS];
	int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), clock;

	if (argc != 3) {
		fprintf(stderr, "usage: leased PORT MEASURE-EVERY-MS\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < CLIENTS; i++)
		clients[i].fd = -1;
	queue = epoll_create1(EPOLL_CLOEXEC);
	clock = start_clock(atol(argv[2]));
	if (queue < 0 || clock < 0)
		return 71;
	at.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 128) < 0) {
		perror("leased");
		return 1;
	}
	watch(listener, &listener);
	watch(clock, &clock);
	for (;;) {
		int n = epoll_wait(queue, ready, EVENTS, -1);
		if (n < 0 && errno != EINTR)
			return 71;
		for (int i = 0; i < n; i++) {
			if (ready[i].data.ptr == &listener)
				welcome(listener);
			else if (ready[i].data.ptr == &clock)
				measure(clock);
			else
				from_client(ready[i].data.ptr);
		}
	}
}
