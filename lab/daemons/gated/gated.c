/* gated: a gateway to two stores. Clients speak lines to it over TCP:
 *
 *	GET key              VALUE key tag version expires size, and the value on its own line
 *	PUT key size         with the value on its own line; STORED key version
 *	DROP key             DROPPED key
 *	STAT | QUIT
 *
 * Errors are NONE key, BUSY key and ERROR text. Each store has a part of the keys, and some connections
 * are kept open to it, on which requests of all clients go side by side. */
#define _GNU_SOURCE
#include "libbackend.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKENDS = 2, LINKS = 3, PENDING = 512, LINE = 512, VALUE = 8192, EVENTS = 32 };

struct client {
	int fd;
	size_t size;
	char put[BACKEND_KEY + 1]; /* the key whose value comes next, and its size */
	size_t put_size;
	char input[LINE + VALUE];
};

/* A connection to a store, and what has come on it. */
struct link {
	int fd;
	size_t size;
	uint8_t input[BACKEND_MOST + 4];
};

/* What epoll knows: a client or a link. */
struct source {
	struct client *client;
	struct link *link;
};

/* A request that a store has not answered. */
struct pending {
	uint32_t id;
	int used;
	struct source *from; /* none if the client is gone */
	enum verb verb;
	char key[BACKEND_KEY + 1];
};

static struct link links[BACKENDS][LINKS];
static struct pending pending[PENDING];
static unsigned long asked[BACKENDS], answered, strays;
static uint32_t last_id;
static int queue;

static void send_all(int fd, const void *data, size_t size)
{
	const char *from = data;

	while (size) {
		ssize_t n = send(fd, from, size, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return; /* its input will tell, too */
		from += n;
		size -= (size_t)n;
	}
}

__attribute__((format(printf, 2, 3))) static void tell(const struct client *c, const char *format, ...)
{
	char text[LINE];
	va_list list;
	int n;

	va_start(list, format);
	n = vsnprintf(text, sizeof text, format, list);
	va_end(list);
	send_all(c->fd, text, (size_t)(n < LINE ? n : LINE - 1));
}

static void leave(struct source *s)
{
	for (size_t i = 0; i < PENDING; i++)
		if (pending[i].from == s)
			pending[i].from = NULL;
	close(s->client->fd);
	free(s->client);
	free(s);
}

static struct pending *pending_slot(uint32_t id, int used)
{
	for (size_t i = 0; i < PENDING; i++)
		if (pending[i].used == used && (!used || pending[i].id == id))
			return &pending[i];
	return NULL;
}

static size_t backend_of(const char *key)
{
	uint32_t hash = 5381;

	while (*key)
		hash = hash * 33 ^ (uint8_t)*key++;
	return (hash >> 7) % BACKENDS;
}

/* forward sends a request to the store that has the key. */
static void forward(struct source *from, enum verb verb, const char *key, const char *value, size_t size)
{
	static uint8_t message[BACKEND_HEAD + BACKEND_KEY + VALUE];
	size_t backend = backend_of(key);
	struct pending *p = pending_slot(0, 0);

	if (!p) {
		tell(from->client, "BUSY %s\r\n", key);
		return;
	}
	*p = (struct pending){ .id = ++last_id, .used = 1, .from = from, .verb = verb };
	strcpy(p->key, key);
	send_all(links[backend][asked[backend]++ % LINKS].fd, message, request_write(message, p->id, verb, key, value, size));
}

/* pass_on gives an answer to the client who waits for it. */
static void pass_on(const struct pending *p, const struct answer *a)
{
	const struct client *c = p->from->client;

	if (a->status == STATUS_OK && p->verb == VERB_GET) {
		tell(c, "VALUE %s %s %u %u %zu\r\n", p->key, *a->tag ? a->tag : "-", a->version, a->expires, a->size);
		send_all(c->fd, a->value, a->size);
		tell(c, "\r\n");
	} else if (a->status == STATUS_STORED && p->verb == VERB_PUT) {
		tell(c, "STORED %s %u\r\n", p->key, a->version);
	} else if (a->status == STATUS_OK && p->verb == VERB_DROP) {
		tell(c, "DROPPED %s\r\n", p->key);
	} else if (a->status == STATUS_NONE) {
		tell(c, "NONE %s\r\n", p->key);
	} else if (a->status == STATUS_BUSY) {
		tell(c, "BUSY %s\r\n", p->key);
	} else {
		tell(c, "ERROR status %d\r\n", a->status);
	}
}

static void from_backend(struct link *l)
{
	ssize_t n = recv(l->fd, l->input + l->size, sizeof l->input - l->size, MSG_DONTWAIT);
	size_t at = 0;
	struct answer a;
	long used;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		exit(69); /* without a store there is nothing to do */
	l->size += (size_t)n;
	while ((used = answer_read(l->input + at, l->size - at, &a)) > 0) {
		struct pending *p = a.status == STATUS_PING ? NULL : pending_slot(a.id, 1);
		at += (size_t)used;
		if (!p) {
			strays++;
			continue;
		}
		if (p->from)
			pass_on(p, &a);
		p->used = 0;
		p->from = NULL;
		answered++;
	}
	if (used < 0)
		exit(69);
	l->size -= at;
	memmove(l->input, l->input + at, l->size);
}

/* command carries out one line; 0 if the client is gone. */
static int command(struct source *s, char *line)
{
	struct client *c = s->client;
	char *verb = strsep(&line, " "), *key = strsep(&line, " ");
	size_t size = line ? strtoul(line, NULL, 10) : 0;

	if (!strcmp(verb, "QUIT")) {
		leave(s);
		return 0;
	}
	if (!strcmp(verb, "STAT")) {
		tell(c, "STAT asked %lu %lu answered %lu strays %lu\r\n", asked[0], asked[1], answered, strays);
	} else if (!key || !*key || strlen(key) > BACKEND_KEY) {
		tell(c, "ERROR no such key\r\n");
	} else if (!strcmp(verb, "GET")) {
		forward(s, VERB_GET, key, "", 0);
	} else if (!strcmp(verb, "DROP")) {
		forward(s, VERB_DROP, key, "", 0);
	} else if (!strcmp(verb, "PUT") && size > 0 && size <= VALUE) {
		strcpy(c->put, key);
		c->put_size = size;
	} else {
		tell(c, "ERROR no such command\r\n");
	}
	return 1;
}

/* advance carries out what stands first in a client's input; gives how much that was, 0 if it isn't whole,
 * or -1 if the client is gone. */
static long advance(struct source *s)
{
	struct client *c = s->client;
	char *end;
	long size;

	if (c->put_size) {
		size = (long)c->put_size + 2;
		if ((long)c->size < size)
			return 0;
		forward(s, VERB_PUT, c->put, c->input, c->put_size);
		c->put_size = 0;
		return size;
	}
	end = memmem(c->input, c->size, "\r\n", 2);
	if (!end && c->size > LINE)
		tell(c, "ERROR too long a line\r\n");
	if (!end)
		return c->size > LINE ? -1 : 0;
	*end = '\0';
	size = end + 2 - c->input;
	return command(s, c->input) ? size : -2;
}

static void from_client(struct source *s)
{
	struct client *c = s->client;
	ssize_t n = recv(c->fd, c->input + c->size, sizeof c->input - c->size, MSG_DONTWAIT);
	long used = 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		leave(s);
		return;
	}
	c->size += (size_t)n;
	while (c->size && (used = advance(s)) > 0) {
		c->size -= (size_t)used;
		memmove(c->input, c->input + used, c->size);
	}
	if (used == -1)
		leave(s);
}

static void watch(int fd, struct client *c, struct link *l)
{
	struct source *s = malloc(sizeof *s);
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = s };

	if (!s)
		exit(71);
	*s = (struct source){ c, l };
	epoll_ctl(queue, EPOLL_CTL_ADD, fd, &e);
}

static void welcome(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct client *c = fd < 0 ? NULL : calloc(1, sizeof *c);

	if (!c) {
		if (fd >= 0)
			close(fd);
		return;
	}
	c->fd = fd;
	watch(fd, c, NULL);
}

static int link_up(struct link *l, const char *address, uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };

	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (inet_pton(AF_INET, address, &to.sin_addr) != 1 || l->fd < 0 || connect(l->fd, (struct sockaddr *)&to, sizeof to) < 0)
		return -1;
	watch(l->fd, NULL, l);
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	struct epoll_event ready[EVENTS];
	int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc != 3 + BACKENDS) {
		fprintf(stderr, "usage: gated PORT BACKEND-PORT BACKEND BACKEND\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	queue = epoll_create1(EPOLL_CLOEXEC);
	for (size_t i = 0; i < BACKENDS; i++)
		for (size_t j = 0; j < LINKS; j++)
			if (link_up(&links[i][j], argv[3 + i], (uint16_t)atoi(argv[2])) < 0) {
				perror(argv[3 + i]);
				return 69;
			}
	at.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 128) < 0) {
		perror("gated");
		return 1;
	}
	watch(listener, NULL, NULL);
	for (;;) {
		int n = epoll_wait(queue, ready, EVENTS, -1);
		if (n < 0 && errno != EINTR)
			return 71;
		for (int i = 0; i < n; i++) {
			struct source *s = ready[i].data.ptr;
			if (s->client)
				from_client(s);
			else if (s->link)
				from_backend(s->link);
			else
				welcome(listener);
		}
	}
}
