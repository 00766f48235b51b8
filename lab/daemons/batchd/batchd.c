/* batchd: keeps values, and what it has promised to keep is in its journal. So that the disk is asked once for
 * many, requests are gathered for a moment, carried out by name, and answered when the journal is written:
 *
 *	SET name size / APPEND name size / WRITE name at size      with the bytes on a line of their own
 *	GET name [at size] | SIZE name | DROP name | AWAIT name | QUIT
 *
 * Answers are OK size, VALUE size with the bytes on a line of their own, or NO why; AWAIT is answered when
 * the name is set the next time. A client has one request under way. */
#define _GNU_SOURCE
#include "libvalue.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 384, INPUT = 16384, OUTPUT = 17000, ROWS = 509 };

struct client {
	int fd, leaves;
	char awaits[VALUE_NAME];
	size_t size;
	char input[INPUT];
	size_t said; /* of the answer, which goes out at the end of the round */
	char output[OUTPUT];
};

/* A request as it was understood; its bytes stay in its client's input. */
struct request {
	struct client *client;
	char verb[8];
	char name[VALUE_NAME];
	uint32_t at, size;
	int numbers; /* how many it has */
	const char *bytes;
	size_t whole; /* of the input */
};

static struct client clients[CLIENTS];
static struct request batch[CLIENTS];
static struct value_table *table;
static int journal;
static int gather_ms;

__attribute__((format(printf, 2, 3))) static void say(struct client *c, const char *format, ...)
{
	size_t room = OUTPUT - c->said;
	va_list list;
	int n;

	va_start(list, format);
	n = vsnprintf(c->output + c->said, room, format, list);
	va_end(list);
	c->said += (size_t)n < room ? (size_t)n : room - 1;
}

static void leave(struct client *c)
{
	close(c->fd);
	c->fd = -1;
	c->leaves = 0;
	c->awaits[0] = '\0';
	c->size = c->said = 0;
}

static int brings_bytes(const char *verb)
{
	return !strcmp(verb, "SET") || !strcmp(verb, "APPEND") || !strcmp(verb, "WRITE");
}

/* understand reads the request at the beginning of a client's input: 1 if it is whole, 0 if not yet, -1 if it
 * makes no sense. */
static int understand(struct client *c, struct request *r)
{
	char line[256], *end = memchr(c->input, '\n', c->size);
	size_t length = end ? (size_t)(end - c->input) : c->size;
	uint32_t first = 0, second = 0;
	int words;

	if (length >= sizeof line)
		return -1;
	if (!end)
		return 0;
	memcpy(line, c->input, length);
	line[length] = '\0';
	*r = (struct request){ .client = c, .whole = length + 1 };
	words = sscanf(line, "%7s %63s %u %u", r->verb, r->name, &first, &second);
	if (words < 1)
		return -1;
	r->numbers = words > 2 ? words - 2 : 0;
	r->at = r->numbers == 2 ? first : 0;
	r->size = r->numbers == 2 ? second : first;
	if (!brings_bytes(r->verb))
		return 1;
	if (!r->numbers || r->size > INPUT - 512)
		return -1;
	r->bytes = c->input + r->whole;
	r->whole += r->size + 1;
	return c->size >= r->whole;
}

static void wake(const char *name, uint32_t size)
{
	for (size_t i = 0; i < CLIENTS; i++) {
		if (clients[i].fd < 0 || strcmp(clients[i].awaits, name))
			continue;
		clients[i].awaits[0] = '\0';
		say(&clients[i], "OK %u\n", size);
	}
}

/* store carries out what changes a value. */
static void store(const struct request *r)
{
	struct value *v = value_make(table, r->name);

	if (!v) {
		say(r->client, "NO memory\n");
		return;
	}
	if (!strcmp(r->verb, "SET"))
		v->size = 0;
	if (!value_write(v, strcmp(r->verb, "APPEND") ? r->at : v->size, r->bytes, r->size)) {
		say(r->client, "NO too big\n");
		return;
	}
	say(r->client, "OK %u\n", v->size);
	wake(r->name, v->size);
}

static void get(const struct request *r)
{
	const struct value *v = value_get(table, r->name);
	uint32_t size;

	if (!v || r->at > v->size) {
		say(r->client, "NO such value\n");
		return;
	}
	size = v->size - r->at;
	if (r->numbers == 2 && r->size < size)
		size = r->size;
	if (size > INPUT)
		size = INPUT;
	say(r->client, "VALUE %u\n", size);
	memcpy(r->client->output + r->client->said, v->bytes + r->at, size);
	r->client->said += size;
	say(r->client, "\n");
}

static void carry_out(const struct request *r)
{
	struct client *c = r->client;
	const struct value *v;

	if (!strcmp(r->verb, "QUIT")) {
		c->leaves = 1;
	} else if (!*r->name) {
		say(c, "NO name\n");
	} else if (brings_bytes(r->verb)) {
		store(r);
	} else if (!strcmp(r->verb, "GET")) {
		get(r);
	} else if (!strcmp(r->verb, "SIZE")) {
		v = value_get(table, r->name);
		say(c, "OK %u\n", v ? v->size : 0);
	} else if (!strcmp(r->verb, "DROP")) {
		value_drop(table, r->name);
		say(c, "OK 0\n");
	} else if (!strcmp(r->verb, "AWAIT")) {
		strcpy(c->awaits, r->name);
	} else {
		say(c, "NO such command\n");
	}
}

/* by_name brings together what is about one value; among those, who connected earlier comes first. */
static int by_name(const void *a, const void *b)
{
	const struct request *l = a, *r = b;
	int order = strcmp(l->name, r->name);

	return order ? order : (l->client > r->client) - (l->client < r->client);
}

static void read_ahead(struct client *c)
{
	ssize_t n = recv(c->fd, c->input + c->size, INPUT - c->size, MSG_DONTWAIT);

	if (n > 0)
		c->size += (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		leave(c);
}

/* gather finds the first request of every client that has sent a whole one. */
static size_t gather(void)
{
	size_t count = 0;

	for (size_t i = 0; i < CLIENTS; i++) {
		struct client *c = &clients[i];
		if (c->fd < 0 || !c->size)
			continue;
		switch (understand(c, &batch[count])) {
		case 1:
			count++;
			break;
		case -1:
			say(c, "NO sense\n");
			c->leaves = 1;
		}
	}
	return count;
}

/* record writes the names of a batch to the journal. */
static void record(size_t count)
{
	char line[128];

	for (size_t i = 0; i < count; i++) {
		int n = snprintf(line, sizeof line, "%s %s %u\n", batch[i].verb, batch[i].name, batch[i].size);
		if (brings_bytes(batch[i].verb) && write(journal, line, (size_t)n) != n)
			exit(74);
	}
}

static void answer_all(void)
{
	for (size_t i = 0; i < CLIENTS; i++) {
		struct client *c = &clients[i];
		if (c->fd < 0)
			continue;
		if (c->said)
			send(c->fd, c->output, c->said, MSG_NOSIGNAL | MSG_DONTWAIT);
		c->said = 0;
		if (c->leaves)
			leave(c);
	}
}

static void welcome(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < CLIENTS; i++) {
		if (clients[i].fd >= 0)
			continue;
		clients[i].fd = fd;
		return;
	}
	if (fd >= 0)
		close(fd);
}

/* look reads from all who have something to say, and takes in who comes; 0 if nobody did in time. */
static int look(int listener, int ms)
{
	static struct pollfd fds[CLIENTS + 1];
	int n;

	fds[CLIENTS] = (struct pollfd){ listener, POLLIN, 0 };
	for (size_t i = 0; i < CLIENTS; i++)
		fds[i] = (struct pollfd){ clients[i].size < INPUT ? clients[i].fd : -1, POLLIN, 0 };
	n = poll(fds, CLIENTS + 1, ms);
	for (size_t i = 0; n > 0 && i < CLIENTS; i++)
		if (fds[i].revents)
			read_ahead(&clients[i]);
	if (n > 0 && fds[CLIENTS].revents)
		welcome(listener);
	return n > 0;
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* serve_round is one batch, from the first who speaks to the answers. */
static void serve_round(int listener, int more)
{
	long long until, left;
	size_t count;

	look(listener, more ? 0 : -1);
	until = now_ms() + gather_ms;
	while ((left = until - now_ms()) > 0)
		look(listener, (int)left);
	count = gather();
	qsort(batch, count, sizeof *batch, by_name);
	for (size_t i = 0; i < count; i++)
		carry_out(&batch[i]);
	record(count);
	answer_all();
	for (size_t i = 0; i < count; i++) {
		struct client *c = batch[i].client;
		if (c->fd < 0)
			continue;
		c->size -= batch[i].whole;
		memmove(c->input, c->input + batch[i].whole, c->size);
	}
}

/* more_waits says whether a whole request has stayed behind another. */
static int more_waits(void)
{
	struct request r;

	for (size_t i = 0; i < CLIENTS; i++)
		if (clients[i].fd >= 0 && clients[i].size && understand(&clients[i], &r))
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc != 4) {
		fprintf(stderr, "usage: batchd PORT JOURNAL GATHER-MS\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < CLIENTS; i++)
		clients[i].fd = -1;
	gather_ms = atoi(argv[3]);
	journal = open(argv[2], O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0640);
	table = value_table_new(ROWS);
	at.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (journal < 0 || !table || bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 128) < 0) {
		perror("batchd");
		return 1;
	}
	for (;;)
		serve_round(listener, more_waits());
}
