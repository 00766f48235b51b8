/* stored: keeps everything. A message is its size, u32 big-endian, and a line with what it is about, which
 * data may follow:
 *
 *	put KEY\nDATA | append KEY\nDATA          "ok VERSION"
 *	get KEY [VERSION] | range KEY FROM TO     "ok VERSION\nDATA"; TO is the first byte that isn't wanted
 *	list PREFIX | spread PREFIX BUCKETS       keys; how the values' sizes are spread
 *	watch KEY                                 answered when the key gets its next value
 *	log COUNT | bye                           the latest requests
 *
 * Each connection has a thread of its own. All requests are logged, for those who want to know afterwards. */
#define _GNU_SOURCE
#include "liblog.h"
#include "libstore.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE = 1 << 20, KEY = 256, STACK = 256 << 10, LOOK_MS = 100 };

/* A connection, its thread's own. */
struct connection {
	int fd;
	uint32_t number;
};

/* A request that is understood: key and numbers out of its line, and the data behind it. */
struct request {
	char verb[16], key[KEY];
	long long from, to;
	int numbers; /* how many of these it has */
	const char *data;
	size_t size;
};

/* An answer that is being written, behind room for its size. */
struct text {
	char *bytes;
	size_t size, room;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of store and log */
static pthread_cond_t stored = PTHREAD_COND_INITIALIZER;

static void add(struct text *t, const void *bytes, size_t size)
{
	if (t->size + size > t->room) {
		size_t room = (t->size + size) * 2;
		char *larger = realloc(t->bytes, room);
		if (!larger)
			return;
		t->bytes = larger;
		t->room = room;
	}
	memcpy(t->bytes + t->size, bytes, size);
	t->size += size;
}

__attribute__((format(printf, 2, 3))) static void say(struct text *t, const char *format, ...)
{
	char line[KEY + 128];
	va_list list;
	int n;

	va_start(list, format);
	n = vsnprintf(line, sizeof line, format, list);
	va_end(list);
	add(t, line, n < (int)sizeof line ? (size_t)n : sizeof line - 1);
}

static int send_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);
		if (n <= 0)
			return 0;
		bytes += n;
		size -= (size_t)n;
	}
	return 1;
}

static void put(struct text *out, const struct request *q, int append)
{
	const struct record *r = append ? store_find(q->key) : NULL;
	const struct version *old = r ? r->newest : NULL, *v;

	v = store_put(q->key, old ? old->data : NULL, old ? old->size : 0, q->data, q->size);
	if (!v) {
		say(out, "no memory");
		return;
	}
	say(out, "ok %u", v->number);
	pthread_cond_broadcast(&stored);
}

static void get(struct text *out, const struct request *q)
{
	const struct record *r = store_find(q->key);
	const struct version *v = !r ? NULL : q->numbers ? store_version(r, (unsigned)q->from) : r->newest;

	if (!v) {
		say(out, "no such value");
		return;
	}
	say(out, "ok %u\n", v->number);
	add(out, v->data, v->size);
}

static void range(struct text *out, const struct request *q)
{
	const struct record *r = store_find(q->key);
	long long from = q->from, to = q->to, size = r ? (long long)r->newest->size : 0;

	if (!r || q->numbers < 2 || from < 0 || to < from || from > size) {
		say(out, "no such range");
		return;
	}
	say(out, "ok %u\n", r->newest->number);
	add(out, r->newest->data + from, (size_t)((to < size ? to : size) - from));
}

static void show_record(const struct record *r, void *out)
{
	say(out, "\n%s %u %zu", r->key, r->newest->number, r->newest->size);
}

static void spread(struct text *out, const struct request *q)
{
	struct spread s;

	if (q->numbers != 1 || q->from < 1 || q->from > STORE_BUCKETS) {
		say(out, "no such number of buckets");
	} else if (store_spread(q->key, (size_t)q->from, &s)) {
		say(out, "ok %zu from %zu to %zu", s.values, s.least, s.most);
		for (size_t i = 0; i < (size_t)q->from; i++)
			say(out, "\n%zu %zu", s.least + i * s.width, s.count[i]);
	} else {
		say(out, "no such values");
	}
}

static void show_entry(const struct log_entry *e, const char *text, void *out)
{
	say(out, "\n%llu %u %.*s", (unsigned long long)e->number, e->client, (int)strcspn(text, "\n"), text);
}

/* watch waits for a key's next value, or until the client has gone. */
static void watch(const struct connection *c, struct text *out, const struct request *q)
{
	const struct record *r = store_find(q->key);
	const struct version *old = r ? r->newest : NULL;
	char byte;

	while ((!r || r->newest == old) && recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0) {
		struct timespec until;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += LOOK_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&stored, &lock, &until);
		r = store_find(q->key);
	}
	say(out, "ok %u", r ? r->newest->number : 0);
}

/* obey carries out a request; 0 if it is the last. */
static int obey(const struct connection *c, const struct request *q, struct text *out)
{
	if (!strcmp(q->verb, "put") || !strcmp(q->verb, "append"))
		put(out, q, *q->verb == 'a');
	else if (!strcmp(q->verb, "get"))
		get(out, q);
	else if (!strcmp(q->verb, "range"))
		range(out, q);
	else if (!strcmp(q->verb, "list"))
		say(out, "ok"), store_each(q->key, show_record, out);
	else if (!strcmp(q->verb, "spread"))
		spread(out, q);
	else if (!strcmp(q->verb, "watch"))
		watch(c, out, q);
	else if (!strcmp(q->verb, "log"))
		say(out, "ok"), log_each((size_t)atoi(q->key), show_entry, out);
	else
		say(out, "no such request");
	return strcmp(q->verb, "bye") != 0;
}

/* understand reads a request's line. */
static void understand(struct request *q, const char *text, size_t size)
{
	const char *newline = memchr(text, '\n', size);
	size_t line = newline ? (size_t)(newline - text) : size;
	char copy[KEY + 64];

	memset(q, 0, sizeof *q);
	snprintf(copy, sizeof copy, "%.*s", (int)line, text);
	q->numbers = sscanf(copy, "%15s %255s %lld %lld", q->verb, q->key, &q->from, &q->to) - 2;
	if (q->numbers < 0)
		q->numbers = 0;
	q->data = newline ? newline + 1 : text + size;
	q->size = (size_t)(text + size - q->data);
}

static int answer(const struct connection *c, const char *text, size_t size)
{
	struct text out = { NULL, 0, 0 };
	struct request q;
	uint32_t head = 0;
	int more;

	add(&out, &head, sizeof head);
	understand(&q, text, size);
	pthread_mutex_lock(&lock);
	log_add(c->number, text, size);
	more = obey(c, &q, &out);
	pthread_mutex_unlock(&lock);
	head = htonl((uint32_t)(out.size - sizeof head));
	memcpy(out.bytes, &head, sizeof head);
	more = send_all(c->fd, out.bytes, out.size) && more;
	free(out.bytes);
	return more;
}

/* serve reads a client's requests, one after the other. */
static void *serve(void *context)
{
	struct connection *c = context;
	uint32_t size;
	int more = 1;

	while (more && recv(c->fd, &size, sizeof size, MSG_WAITALL) == sizeof size) {
		char *text;
		size = ntohl(size);
		if (size > MESSAGE || !(text = malloc(size + 1)))
			break;
		more = recv(c->fd, text, size, MSG_WAITALL) == (ssize_t)size && answer(c, text, size);
		free(text);
	}
	close(c->fd);
	free(c);
	return NULL;
}

static void welcome(int fd, uint32_t number, const pthread_attr_t *how)
{
	struct connection *c = malloc(sizeof *c);
	pthread_t thread;

	if (c)
		*c = (struct connection){ fd, number };
	if (!c || pthread_create(&thread, how, serve, c)) {
		close(fd);
		free(c);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pthread_attr_t how;

	if (argc != 2) {
		fprintf(stderr, "usage: stored PORT\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	at.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (!log_open() || bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 128) < 0) {
		perror("stored");
		return 1;
	}
	pthread_attr_init(&how);
	pthread_attr_setdetachstate(&how, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&how, STACK);
	for (uint32_t number = 1;; number++) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			welcome(fd, number, &how);
	}
}
