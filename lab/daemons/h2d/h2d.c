/* h2d: keeps objects, over HTTP/2 without TLS.
 *
 *	GET /               how to use it
 *	GET /object/NAME    an object's size and sum
 *	GET /wait/NAME      answered when that object is sent in the next time
 *	GET /stats          how many there were
 *	POST /object/NAME   takes an object; a trailer x-sum, if there is one, must be right
 *
 * Each connection has a thread. */
#define _GNU_SOURCE
#include "libhpack.h"

#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8, HAS_PRIORITY = 0x20 };
enum { PROTOCOL_ERROR = 1, FRAME_SIZE_ERROR = 6, COMPRESSION_ERROR = 9, ENHANCE_YOUR_CALM = 11 };
enum { OK = 0x88, BAD_REQUEST = 0x8c, NOT_FOUND = 0x8d }; /* statuses as the fixed table has them */
enum { FRAME = 16384, BLOCK = 32768, NAME = 96, OBJECTS = 512, WAITERS = 256, WINDOW = 16384 };

/* A request whose body is still to come. */
struct stream {
	uint32_t id;
	struct stream *next;
	size_t body;
	uint32_t sum;
	struct fields fields;
};

struct connection {
	int fd;
	pthread_mutex_t writing;
	struct table table;
	struct stream *streams;
	uint32_t newest;      /* stream that its client opened */
	uint32_t block_of;    /* the stream whose block goes on in another frame */
	int block_ends;       /* that stream's client has nothing more to say */
	size_t block_size, unseen; /* unseen: bytes of bodies that the window still lacks */
	uint8_t block[BLOCK];
	uint8_t frame[FRAME];
};

struct object {
	char name[NAME];
	size_t size;
	uint32_t sum;
};

struct waiter {
	struct connection *connection;
	uint32_t stream;
	char name[NAME];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows */
static struct object objects[OBJECTS];
static struct waiter waiters[WAITERS];
static unsigned long requests, stored;

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

static void put32(uint8_t *to, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t take32(const uint8_t *from) { return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3]; }

/* put_frame writes a frame's head and body, and returns its size. */
static size_t put_frame(uint8_t *to, int type, int flags, uint32_t stream, const void *body, size_t size)
{
	put32(to, (uint32_t)size << 8 | (uint32_t)type);
	to[4] = (uint8_t)flags;
	put32(to + 5, stream);
	memcpy(to + 9, body, size);
	return size + 9;
}

static void tell(struct connection *c, const uint8_t *data, size_t size)
{
	pthread_mutex_lock(&c->writing);
	send(c->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	pthread_mutex_unlock(&c->writing);
}

static void tell_frame(struct connection *c, int type, int flags, uint32_t stream, const void *body, size_t size)
{
	uint8_t frame[64];

	tell(c, frame, put_frame(frame, type, flags, stream, body, size));
}

__attribute__((format(printf, 4, 5))) static void respond(struct connection *c, uint32_t stream, int status, const char *format, ...)
{
	char text[512], length[16];
	uint8_t block[64], whole[1024];
	size_t n, at;
	va_list list;

	va_start(list, format);
	n = (size_t)vsnprintf(text, sizeof text, format, list);
	va_end(list);
	if (n >= sizeof text)
		n = sizeof text - 1;
	/* A literal content-length: this end keeps no table. */
	at = (size_t)snprintf(length, sizeof length, "%zu", n);
	block[0] = (uint8_t)status;
	block[1] = 0x0f;
	block[2] = 28 - 15;
	block[3] = (uint8_t)at;
	memcpy(block + 4, length, at);
	at = put_frame(whole, HEADERS, END_HEADERS, stream, block, 4 + at);
	at += put_frame(whole + at, DATA, END_STREAM, stream, text, n);
	tell(c, whole, at);
}

/* fail says why the connection can't go on. */
static int fail(struct connection *c, uint32_t why)
{
	uint8_t body[8];

	put32(body, c->newest);
	put32(body + 4, why);
	tell_frame(c, GOAWAY, 0, 0, body, sizeof body);
	return -1;
}

static struct object *object_of(const char *name)
{
	uint32_t hash = 2166136261u;

	for (const char *p = name; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	return &objects[hash % OBJECTS]; /* the newest of those who share a place stays */
}

static void store(struct connection *c, const struct stream *s, const char *name)
{
	const struct entry *sum = fields_find(&s->fields, "x-sum");
	struct object *o;

	if (sum && strtoul(sum->value, NULL, 16) != s->sum) {
		respond(c, s->id, BAD_REQUEST, "the sum is %08x\n", s->sum);
		return;
	}
	pthread_mutex_lock(&lock);
	o = object_of(name);
	snprintf(o->name, sizeof o->name, "%s", name);
	o->size = s->body;
	o->sum = s->sum;
	stored++;
	for (size_t i = 0; i < WAITERS; i++)
		if (waiters[i].connection && !strcmp(waiters[i].name, name)) {
			respond(waiters[i].connection, waiters[i].stream, OK, "%s came\n", name);
			waiters[i].connection = NULL;
		}
	pthread_mutex_unlock(&lock);
	respond(c, s->id, OK, "%zu bytes, sum %08x\n", s->body, s->sum);
}

static void await(struct connection *c, uint32_t stream, const char *name)
{
	for (size_t i = 0; i < WAITERS; i++)
		if (!waiters[i].connection) {
			waiters[i].connection = c;
			waiters[i].stream = stream;
			snprintf(waiters[i].name, sizeof waiters[i].name, "%s", name);
			return;
		}
	respond(c, stream, BAD_REQUEST, "too many wait\n");
}

static void look_up(struct connection *c, const struct stream *s, const char *path)
{
	const struct object *o;

	pthread_mutex_lock(&lock);
	if (!strcmp(path, "/")) {
		respond(c, s->id, OK, "GET or POST /object/NAME\n");
	} else if (!strcmp(path, "/stats")) {
		respond(c, s->id, OK, "%lu requests, %lu objects\n", requests, stored);
	} else if (!strncmp(path, "/wait/", 6)) {
		await(c, s->id, path + 6);
	} else {
		o = strncmp(path, "/object/", 8) ? NULL : object_of(path + 8);
		if (o && !strcmp(o->name, path + 8))
			respond(c, s->id, OK, "%zu bytes, sum %08x\n", o->size, o->sum);
		else
			respond(c, s->id, NOT_FOUND, "nothing here\n");
	}
	pthread_mutex_unlock(&lock);
}

/* answer a request that is whole. */
static void answer(struct connection *c, const struct stream *s)
{
	const struct entry *path = fields_find(&s->fields, ":path"), *method = fields_find(&s->fields, ":method");

	__atomic_add_fetch(&requests, 1, __ATOMIC_RELAXED);
	if (!path || !method)
		respond(c, s->id, BAD_REQUEST, "no request\n");
	else if (!strcmp(method->value, "GET") || !strcmp(method->value, "HEAD"))
		look_up(c, s, path->value);
	else if (!strcmp(method->value, "POST") && !strncmp(path->value, "/object/", 8) && path->value_size < NAME)
		store(c, s, path->value + 8);
	else
		respond(c, s->id, BAD_REQUEST, "not that way\n");
}

static struct stream **find_stream(struct connection *c, uint32_t id)
{
	struct stream **link = &c->streams;

	while (*link && (*link)->id != id)
		link = &(*link)->next;
	return link;
}

static void drop_stream(struct stream **link)
{
	struct stream *s = *link;

	*link = s->next;
	fields_free(&s->fields);
	free(s);
}

static void finish(struct connection *c, struct stream **link)
{
	answer(c, *link);
	drop_stream(link);
}

/* take_block reads a whole header block: a new request's, or the trailers of one. */
static int take_block(struct connection *c)
{
	struct stream **link = find_stream(c, c->block_of), *s = *link;
	int new = !s;

	if (new) {
		if (c->block_of <= c->newest)
			return fail(c, PROTOCOL_ERROR);
		s = calloc(1, sizeof *s);
		if (!s)
			return -1;
		s->id = c->newest = c->block_of;
		*link = s;
	}
	c->block_of = 0;
	if (hpack_decode(&c->table, c->block, c->block_size, &s->fields) < 0)
		return fail(c, COMPRESSION_ERROR);
	if (c->block_ends)
		finish(c, link);
	else if (!new)
		return fail(c, PROTOCOL_ERROR);
	return 0;
}

/* gather adds a piece of a header block. */
static int gather(struct connection *c, const uint8_t *piece, size_t size, int flags)
{
	if (size > BLOCK - c->block_size)
		return fail(c, ENHANCE_YOUR_CALM);
	memcpy(c->block + c->block_size, piece, size);
	c->block_size += size;
	return flags & END_HEADERS ? take_block(c) : 0;
}

static int take_data(struct connection *c, uint32_t id, const uint8_t *data, size_t size, int ends)
{
	struct stream **link = find_stream(c, id), *s = *link;
	uint8_t more[4];

	if (!s)
		return id > c->newest ? fail(c, PROTOCOL_ERROR) : 0; /* it may have been reset */
	for (size_t i = 0; i < size; i++)
		s->sum = s->sum * 31 + data[i];
	s->body += size;
	c->unseen += size;
	if (c->unseen >= WINDOW) {
		put32(more, (uint32_t)c->unseen);
		tell_frame(c, WINDOW_UPDATE, 0, 0, more, sizeof more);
		tell_frame(c, WINDOW_UPDATE, 0, id, more, sizeof more);
		c->unseen = 0;
	}
	if (ends)
		finish(c, link);
	return 0;
}

/* unpad takes a frame's padding away; 0 if there is more of it than there is frame. */
static int unpad(const uint8_t **data, size_t *size, int flags)
{
	size_t before = 0, behind = 0;

	if (flags & PADDED) {
		if (!*size)
			return 0;
		behind = (*data)[0];
		before = 1;
	}
	if (flags & HAS_PRIORITY)
		before += 5;
	if (before + behind > *size)
		return 0;
	*data += before;
	*size -= before + behind;
	return 1;
}

static int take_frame(struct connection *c, int type, int flags, uint32_t id, size_t size)
{
	const uint8_t *data = c->frame;

	if (c->block_of && (type != CONTINUATION || id != c->block_of))
		return fail(c, PROTOCOL_ERROR);
	switch (type) {
	case DATA:
		if (!id || !unpad(&data, &size, flags & PADDED))
			return fail(c, PROTOCOL_ERROR);
		return take_data(c, id, data, size, flags & END_STREAM);
	case HEADERS:
		if (id % 2 == 0 || !unpad(&data, &size, flags))
			return fail(c, PROTOCOL_ERROR);
		c->block_of = id;
		c->block_ends = flags & END_STREAM;
		c->block_size = 0;
		return gather(c, data, size, flags);
	case CONTINUATION:
		return c->block_of ? gather(c, data, size, flags) : fail(c, PROTOCOL_ERROR);
	case RST_STREAM:
		if (*find_stream(c, id))
			drop_stream(find_stream(c, id));
		return 0;
	case SETTINGS:
		if (!(flags & ACK))
			tell_frame(c, SETTINGS, ACK, 0, "", 0);
		return 0;
	case PING:
		if (size != 8)
			return fail(c, FRAME_SIZE_ERROR);
		if (!(flags & ACK))
			tell_frame(c, PING, ACK, 0, data, size);
		return 0;
	case GOAWAY:
		return -1;
	case PUSH_PROMISE:
		return fail(c, PROTOCOL_ERROR);
	default: /* what it doesn't know has to be let go by */
		return 0;
	}
}

static int read_all(int fd, uint8_t *to, size_t size)
{
	return recv(fd, to, size, MSG_WAITALL) == (ssize_t)size;
}

static void leave(struct connection *c)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < WAITERS; i++)
		if (waiters[i].connection == c)
			waiters[i].connection = NULL;
	pthread_mutex_unlock(&lock);
	close(c->fd);
	while (c->streams)
		drop_stream(&c->streams);
	table_evict(&c->table, 0);
	free(c);
}

static void *serve(void *argument)
{
	struct connection *c = argument;
	uint8_t head[9], begins[sizeof preface - 1];
	static const uint8_t streams[6] = { 0, 3, 0, 0, 0, 100 }; /* at a time */

	if (read_all(c->fd, begins, sizeof begins) && !memcmp(begins, preface, sizeof begins)) {
		tell_frame(c, SETTINGS, 0, 0, streams, sizeof streams);
		while (read_all(c->fd, head, sizeof head)) {
			size_t size = take32(head) >> 8;
			if (size > FRAME) {
				fail(c, FRAME_SIZE_ERROR);
				break;
			}
			if (!read_all(c->fd, c->frame, size) || take_frame(c, head[3], head[4], take32(head + 5) & 0x7fffffff, size) < 0)
				break;
		}
	}
	leave(c);
	return NULL;
}

static void welcome(int fd, const pthread_attr_t *small)
{
	struct connection *c = calloc(1, sizeof *c);
	pthread_t thread;

	if (!c) {
		close(fd);
		return;
	}
	c->fd = fd;
	c->table.size = TABLE_SIZE;
	pthread_mutex_init(&c->writing, NULL);
	if (pthread_create(&thread, small, serve, c))
		leave(c);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pthread_attr_t small;

	if (argc != 2) {
		fprintf(stderr, "usage: h2d PORT\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 256 << 10);
	pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
	at.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 128) < 0) {
		perror("h2d");
		return 1;
	}
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			welcome(fd, &small);
	}
}
