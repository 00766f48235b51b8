/* respd: a cache. A request has counted arguments (libwire.h), the first is a command:
 *
 *	ping | stats | quit
 *	get KEY | mget KEY... | set KEY VALUE [SECONDS] | add KEY VALUE | del KEY...
 *	append KEY VALUE | patch KEY OFFSET VALUE | slice KEY FROM SIZE | incr KEY [BY]
 *	wait KEY               answered with its value when that is set the next time
 *
 * An answer is "+text", "-why not", or a value as arguments are; "=-1" stands for none. */
#define _GNU_SOURCE
#include "libkeep.h"
#include "libwire.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 32, SWEEP_MS = 100 };

/* A connection; when its client has gone, it is kept for the next one. */
struct connection {
	struct connection *next; /* of all */
	int fd;
	char *waits_for;
	size_t size;
	char input[WIRE_INPUT];
};

struct command {
	const char *name;
	uint32_t least, most; /* arguments */
	void (*run)(struct connection *c, struct wire_request *q);
};

static struct connection *all;
static int poller;
static unsigned long requests, hits;
static long long now; /* when this turn of the loop began, in milliseconds */

static void tell(struct connection *c, const void *text, size_t size)
{
	send(c->fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

__attribute__((format(printf, 2, 3))) static void answer(struct connection *c, const char *format, ...)
{
	char text[512];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof text - 2, format, list);
	va_end(list);
	strcat(text, "\r\n");
	tell(c, text, strlen(text));
}

static void answer_value(struct connection *c, const char *value, size_t size)
{
	char head[WIRE_LINE];

	tell(c, head, (size_t)snprintf(head, sizeof head, "=%zu\r\n", size));
	tell(c, value, size);
	tell(c, "\r\n", 2);
}

static void answer_item(struct connection *c, const struct item *it)
{
	if (it)
		answer_value(c, it->value, it->size);
	else
		answer(c, "=-1");
	hits += it != NULL;
}

static void leave(struct connection *c)
{
	close(c->fd);
	free(c->waits_for);
	c->waits_for = NULL;
	c->fd = -1;
	c->size = 0;
}

/* wake tells those who wait for a key. */
static void wake(const struct item *it)
{
	for (struct connection *c = all; c; c = c->next) {
		if (c->fd < 0 || !c->waits_for || strcmp(c->waits_for, it->key))
			continue;
		free(c->waits_for);
		c->waits_for = NULL;
		answer_item(c, it);
	}
}

static void ping(struct connection *c, struct wire_request *q)
{
	answer(c, "+%.100s", q->count > 1 ? q->arg[1].text : "pong");
}

static void stats(struct connection *c, struct wire_request *q)
{
	(void)q;
	answer(c, "+%zu items, %lu requests, %lu hits", keep_count(), requests, hits);
}

static void quit(struct connection *c, struct wire_request *q)
{
	(void)q;
	answer(c, "+bye");
	leave(c);
}

static void get(struct connection *c, struct wire_request *q)
{
	answer_item(c, keep_find(q->arg[1].text, now));
}

static void mget(struct connection *c, struct wire_request *q)
{
	answer(c, "!%u", q->count - 1);
	for (uint32_t i = 1; i < q->count; i++)
		answer_item(c, keep_find(q->arg[i].text, now));
}

static void set(struct connection *c, struct wire_request *q)
{
	long long seconds = 0;
	struct item *it;

	if (q->arg[1].size > KEEP_KEY || (q->count > 3 && (!wire_int(&q->arg[3], &seconds) || seconds < 0))) {
		answer(c, "-no such key or time");
		return;
	}
	it = keep_set(q->arg[1].text, q->arg[2].text, q->arg[2].size, seconds ? now + seconds * 1000 : 0);
	if (!it) {
		answer(c, "-no memory");
		return;
	}
	answer(c, "+ok");
	wake(it);
}

static void add(struct connection *c, struct wire_request *q)
{
	if (keep_find(q->arg[1].text, now))
		answer(c, "-it is there");
	else
		set(c, q);
}

static void del(struct connection *c, struct wire_request *q)
{
	int dropped = 0;

	for (uint32_t i = 1; i < q->count; i++)
		dropped += keep_drop(q->arg[i].text);
	answer(c, "+%d", dropped);
}

static void patch_at(struct connection *c, struct item *it, size_t offset, const struct wire_arg *with)
{
	if (it && keep_patch(it, offset, with->text, with->size))
		answer(c, "+%zu", it->size);
	else
		answer(c, "-%s", it ? "too large" : "no such key");
}

static void append(struct connection *c, struct wire_request *q)
{
	struct item *it = keep_find(q->arg[1].text, now);

	patch_at(c, it, it ? it->size : 0, &q->arg[2]);
}

static void patch(struct connection *c, struct wire_request *q)
{
	long long offset;

	if (!wire_int(&q->arg[2], &offset) || offset < 0)
		answer(c, "-no such offset");
	else
		patch_at(c, keep_find(q->arg[1].text, now), (size_t)offset, &q->arg[3]);
}

static void slice(struct connection *c, struct wire_request *q)
{
	const struct item *it = keep_find(q->arg[1].text, now);
	long long from, size;

	if (!it || !wire_int(&q->arg[2], &from) || !wire_int(&q->arg[3], &size) || from < 0 || size < 0) {
		answer(c, "-no such slice");
		return;
	}
	if (from > (long long)it->size)
		from = (long long)it->size;
	if (size > (long long)it->size - from)
		size = (long long)it->size - from;
	answer_value(c, it->value + from, (size_t)size);
}

static void incr(struct connection *c, struct wire_request *q)
{
	struct item *it = keep_find(q->arg[1].text, now);
	long long by = 1;
	char text[24];

	if (q->count > 2 && !wire_int(&q->arg[2], &by)) {
		answer(c, "-no number");
		return;
	}
	snprintf(text, sizeof text, "%lld", (it ? atoll(it->value) : 0) + by);
	if (keep_set(q->arg[1].text, text, strlen(text), it ? it->until : 0))
		answer(c, "+%s", text);
	else
		answer(c, "-no memory");
}

static void wait_for(struct connection *c, struct wire_request *q)
{
	free(c->waits_for);
	c->waits_for = strdup(q->arg[1].text);
}

static const struct command commands[] = {
	{ "get", 2, 2, get },       { "set", 3, 4, set },       { "mget", 2, WIRE_ARGS, mget }, { "add", 3, 4, add },
	{ "del", 2, WIRE_ARGS, del }, { "append", 3, 3, append }, { "patch", 4, 4, patch },       { "slice", 4, 4, slice },
	{ "incr", 2, 3, incr },     { "wait", 2, 2, wait_for }, { "ping", 1, 2, ping },         { "stats", 1, 1, stats },
	{ "quit", 1, 1, quit },
};

static void obey(struct connection *c, struct wire_request *q)
{
	requests++;
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		const struct command *found = &commands[i];
		if (strcasecmp(found->name, q->arg[0].text))
			continue;
		if (q->count < found->least || q->count > found->most)
			answer(c, "-%s doesn't take %u arguments", found->name, q->count - 1);
		else
			found->run(c, q);
		return;
	}
	answer(c, "-no such command");
}

static void from_client(struct connection *c)
{
	ssize_t n = recv(c->fd, c->input + c->size, sizeof c->input - c->size, MSG_DONTWAIT);
	enum wire got = WIRE_MORE;
	struct wire_request q;
	size_t used = 0, taken;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		leave(c);
		return;
	}
	c->size += (size_t)n;
	while (c->fd >= 0 && (got = wire_read(&q, c->input + used, c->size - used, &taken)) == WIRE_WHOLE) {
		wire_seal(&q);
		obey(c, &q);
		used += taken;
	}
	if (c->fd < 0)
		return;
	c->size -= used;
	memmove(c->input, c->input + used, c->size);
	if (got == WIRE_BAD || c->size == sizeof c->input) {
		answer(c, "-bad request");
		leave(c);
	}
}

static struct connection *vacant(void)
{
	struct connection *c = all;

	while (c && c->fd >= 0)
		c = c->next;
	if (!c && (c = calloc(1, sizeof *c))) {
		c->next = all;
		all = c;
	}
	return c;
}

static void welcome(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct connection *c = fd < 0 ? NULL : vacant();
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

	if (fd < 0)
		return;
	if (!c || epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0) {
		close(fd);
		if (c)
			c->fd = -1;
		return;
	}
	c->fd = fd;
}

static void turn(int listener)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(poller, events, EVENTS, SWEEP_MS);
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = t.tv_sec * 1000LL + t.tv_nsec / 1000000;
	for (int i = 0; i < n; i++) {
		struct connection *c = events[i].data.ptr;
		if (!c)
			welcome(listener);
		else if (c->fd >= 0)
			from_client(c);
	}
	keep_expire(now);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	struct epoll_event event = { .events = EPOLLIN };
	int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (argc != 2) {
		fprintf(stderr, "usage: respd PORT\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	at.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	poller = epoll_create1(EPOLL_CLOEXEC);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 128) < 0 ||
	    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) < 0) {
		perror("respd");
		return 1;
	}
	for (;;)
		turn(listener);
}
