/* pubd: publish and subscribe. A message is a kind, flags, and the size of its fields, u16 big-endian; a field is
 * a tag, its size, u16 too, and its text.
 *
 *	SUBSCRIBE id, filter, [pattern]   messages come, under their topic or as the pattern renames it
 *	NEXT id, filter                   only the next one comes
 *	UNSUBSCRIBE id
 *	PUBLISH topic, payload            if flags say so, it is acknowledged when it has been delivered
 *	PING
 *
 * One thread reads what comes, another delivers, so that a publisher doesn't wait for the subscribers. */
#define _GNU_SOURCE
#include "libroute.h"
#include "libtopic.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = 256, HEAD = 4, INPUT = 20480 };

enum kind { SUBSCRIBE = 1, UNSUBSCRIBE, NEXT, PUBLISH, PING, OK = 0x81, MESSAGE, NO = 0x8f };

enum tag { ID = 1, FILTER, PATTERN, TOPIC, PAYLOAD, WHY, TAGS };

enum { ACKNOWLEDGE = 1 };

struct client {
	int fd;
	size_t size;
	uint8_t input[INPUT];
};

/* A field as it was sent: it points into the input. */
struct field {
	const uint8_t *text;
	size_t size;
};

static struct client clients[CLIENTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of clients, routes and the queue */
static pthread_cond_t queued = PTHREAD_COND_INITIALIZER;
static struct message *queue, **queue_end = &queue;

static size_t add_field(uint8_t *to, enum tag tag, const void *text, size_t size)
{
	to[0] = (uint8_t)tag;
	to[1] = (uint8_t)(size >> 8);
	to[2] = (uint8_t)size;
	memcpy(to + 3, text, size);
	return 3 + size;
}

static void tell(size_t who, enum kind kind, uint8_t *text, size_t size)
{
	text[0] = (uint8_t)kind;
	text[1] = 0;
	text[2] = (uint8_t)(size >> 8);
	text[3] = (uint8_t)size;
	if (clients[who].fd >= 0)
		send(clients[who].fd, text, HEAD + size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void tell_number(size_t who, enum kind kind, uint32_t number)
{
	uint8_t text[HEAD + 16], digits[12];

	tell(who, kind, text, add_field(text + HEAD, ID, digits, (size_t)sprintf((char *)digits, "%u", number)));
}

static void refuse(size_t who, const char *why)
{
	uint8_t text[HEAD + 64];

	tell(who, NO, text, add_field(text + HEAD, WHY, why, strlen(why)));
}

/* bring is how a message comes to a subscriber. */
static void bring(const struct route *r, const char *topic, const struct message *m)
{
	static uint8_t text[HEAD + INPUT + TOPIC_MOST + 32];
	uint8_t digits[12];
	size_t size = add_field(text + HEAD, ID, digits, (size_t)sprintf((char *)digits, "%u", r->id));

	size += add_field(text + HEAD + size, TOPIC, topic, strlen(topic));
	size += add_field(text + HEAD + size, PAYLOAD, m->payload, m->size);
	tell(r->owner, MESSAGE, text, size);
}

/* deliver takes messages from the queue, for ever. */
static void *deliver(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&lock);
	for (;;) {
		struct message *m;
		size_t reached;
		while (!(m = queue))
			pthread_cond_wait(&queued, &lock);
		if (!(queue = m->next))
			queue_end = &queue;
		reached = route_deliver(m, bring);
		if (m->acknowledge)
			tell_number(m->from, OK, (uint32_t)reached);
		free(m->topic);
		free(m);
	}
	return NULL;
}

/* string is a copy of a field, to be freed; empty if it is missing. */
static char *string(const struct field *f)
{
	return strndup(f->text ? (const char *)f->text : "", f->size);
}

static uint32_t number(const struct field *f)
{
	uint32_t n = 0;

	for (size_t i = 0; i < f->size && i < 9 && f->text[i] >= '0' && f->text[i] <= '9'; i++)
		n = n * 10 + f->text[i] - '0';
	return n;
}

static void subscribe(size_t who, const struct field *field, int once)
{
	char *filter = string(&field[FILTER]), *pattern = field[PATTERN].text ? string(&field[PATTERN]) : NULL;
	uint32_t id = number(&field[ID]);

	if (!id || !route_add(who, id, filter, pattern, once))
		refuse(who, "no such subscription");
	else if (!once)
		tell_number(who, OK, id);
	free(filter);
	free(pattern);
}

static void publish(size_t who, const struct field *field, int acknowledge)
{
	char *topic = string(&field[TOPIC]);
	struct message *m = topic_valid(topic) ? malloc(sizeof *m + field[PAYLOAD].size) : NULL;

	if (!m) {
		refuse(who, "no such topic");
		free(topic);
		return;
	}
	*m = (struct message){ .from = who, .acknowledge = acknowledge, .topic = topic, .size = field[PAYLOAD].size };
	if (m->size)
		memcpy(m->payload, field[PAYLOAD].text, m->size);
	*queue_end = m;
	queue_end = &m->next;
	pthread_cond_signal(&queued);
}

static void obey(size_t who, enum kind kind, int flags, const struct field *field)
{
	switch (kind) {
	case SUBSCRIBE:
	case NEXT:
		subscribe(who, field, kind == NEXT);
		break;
	case UNSUBSCRIBE:
		tell_number(who, OK, (uint32_t)route_drop(who, number(&field[ID])));
		break;
	case PUBLISH:
		publish(who, field, flags & ACKNOWLEDGE);
		break;
	case PING:
		tell_number(who, OK, 0);
		break;
	default:
		refuse(who, "no such message");
	}
}

/* parse finds a message's fields; 0 if it isn't made of such. */
static int parse(const uint8_t *text, size_t size, struct field *field)
{
	memset(field, 0, TAGS * sizeof *field);
	while (size >= 3) {
		size_t tag = text[0], length = (size_t)(text[1] << 8 | text[2]);
		if (length > size - 3)
			return 0;
		if (tag < TAGS)
			field[tag] = (struct field){ text + 3, length };
		text += 3 + length;
		size -= 3 + length;
	}
	return size == 0;
}

/* forget drops what a client has subscribed, and what it has sent has nobody to be acknowledged to. */
static void forget(size_t who)
{
	route_drop(who, 0);
	for (struct message *m = queue; m; m = m->next)
		if (m->from == who)
			m->acknowledge = 0;
}

static void leave(size_t who)
{
	close(clients[who].fd);
	clients[who].fd = -1;
	clients[who].size = 0;
	forget(who);
}

static void from_client(size_t who)
{
	struct client *c = &clients[who];
	ssize_t n = recv(c->fd, c->input + c->size, INPUT - c->size, MSG_DONTWAIT);
	struct field field[TAGS];
	size_t used = 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		leave(who);
		return;
	}
	c->size += (size_t)n;
	while (c->size - used >= HEAD) {
		const uint8_t *head = c->input + used;
		size_t size = (size_t)(head[2] << 8 | head[3]);
		if (size > INPUT - HEAD || (c->size - used >= HEAD + size && !parse(head + HEAD, size, field))) {
			refuse(who, "no message");
			leave(who);
			return;
		}
		if (c->size - used < HEAD + size)
			break;
		obey(who, head[0], head[1], field);
		used += HEAD + size;
	}
	c->size -= used;
	memmove(c->input, c->input + used, c->size);
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

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd fds[CLIENTS + 1];
	pthread_t thread;

	if (argc != 2) {
		fprintf(stderr, "usage: pubd PORT\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < CLIENTS; i++)
		clients[i].fd = -1;
	at.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 128) < 0 ||
	    pthread_create(&thread, NULL, deliver, NULL)) {
		perror("pubd");
		return 1;
	}
	for (;;) {
		fds[CLIENTS] = (struct pollfd){ listener, POLLIN, 0 };
		for (size_t i = 0; i < CLIENTS; i++)
			fds[i] = (struct pollfd){ clients[i].fd, POLLIN, 0 };
		if (poll(fds, CLIENTS + 1, -1) < 0 && errno != EINTR)
			return 1;
		pthread_mutex_lock(&lock);
		for (size_t i = 0; i < CLIENTS; i++)
			if (fds[i].revents)
				from_client(i);
		if (fds[CLIENTS].revents)
			welcome(listener);
		pthread_mutex_unlock(&lock);
	}
}
