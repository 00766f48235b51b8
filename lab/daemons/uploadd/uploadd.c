/* uploadd: takes archives. A request is four letters, the size of a name (one byte) and the name, "owner/archive":
 *
 *	PACK   an archive follows (libpack.h); answered with what was in it
 *	STAT   what is known of an archive
 *	ROOM   how much room its owner has
 *	WAIT   answered when the archive has been taken the next time
 *
 * Answers are lines. Archives are read by a few threads, each with its share of the connections, and piece by
 * piece: nobody keeps one in memory. */
#define _GNU_SOURCE
#include "libpack.h"
#include "libquota.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORKERS = 4, EVENTS = 16, PIECE = 4096, COMMAND = 5, NAME = 255, PER_OWNER = 512 << 20 };

/* A connection and the request that comes on it. */
struct connection {
	struct connection *next, **link; /* among those who wait */
	int fd;
	uint8_t command[COMMAND + NAME];
	size_t command_size;
	char name[NAME + 1];
	int in_pack;
	struct pack pack;
	struct account *account;
	uint64_t reserved, bytes;
	char newest[64]; /* the file's name that came last */
};

/* An archive that was taken. */
struct archive {
	struct archive *next;
	uint32_t entries;
	uint64_t bytes;
	char newest[64];
	char name[];
};

static int pollers[WORKERS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows */
static struct archive *archives;
static struct connection *waiting;

__attribute__((format(printf, 2, 3))) static void answer(const struct connection *c, const char *format, ...)
{
	char text[512];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof text - 1, format, list);
	va_end(list);
	strcat(text, "\n");
	send(c->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void stop_waiting(struct connection *c)
{
	if (!c->link)
		return;
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	c->link = NULL;
}

static void start_waiting(struct connection *c)
{
	c->next = waiting;
	c->link = &waiting;
	if (waiting)
		waiting->link = &c->next;
	waiting = c;
}

/* give_back returns the room of a file that will not come. */
static void give_back(struct connection *c)
{
	if (c->reserved)
		quota_settle(c->account, c->reserved, 0);
	c->reserved = 0;
}

static void leave(struct connection *c)
{
	pthread_mutex_lock(&lock);
	stop_waiting(c);
	pthread_mutex_unlock(&lock);
	give_back(c);
	close(c->fd);
	free(c);
}

/* pack's calls. */
static const char *file_begins(void *context, const char *name, uint64_t size)
{
	struct connection *c = context;

	if (!quota_reserve(c->account, size))
		return "there is not so much room";
	c->reserved = size;
	snprintf(c->newest, sizeof c->newest, "%s", name);
	return NULL;
}

static void file_bytes(void *context, const uint8_t *bytes, size_t size)
{
	struct connection *c = context;

	(void)bytes; /* they would go to a disk here */
	c->bytes += size;
}

static const char *file_ends(void *context, uint64_t written)
{
	struct connection *c = context;

	quota_settle(c->account, c->reserved, written);
	c->reserved = 0;
	return NULL;
}

static const struct pack_calls calls = { file_begins, file_bytes, file_ends };

static struct archive *find(const char *name)
{
	struct archive *a = archives;

	while (a && strcmp(a->name, name))
		a = a->next;
	return a;
}

/* wake tells those who wait for an archive. */
static void wake(const struct archive *a)
{
	for (struct connection *c = waiting, *next; c; c = next) {
		next = c->next;
		if (strcmp(c->name, a->name))
			continue;
		stop_waiting(c);
		answer(c, "ok %u %llu", a->entries, (unsigned long long)a->bytes);
	}
}

/* enter writes down an archive that has come. */
static int enter(const struct connection *c)
{
	struct archive *a;

	pthread_mutex_lock(&lock);
	a = find(c->name);
	if (!a && (a = calloc(1, sizeof *a + strlen(c->name) + 1))) {
		strcpy(a->name, c->name);
		a->next = archives;
		archives = a;
	}
	if (a) {
		a->entries = c->pack.entries;
		a->bytes = c->bytes;
		memcpy(a->newest, c->newest, sizeof a->newest);
		wake(a);
	}
	pthread_mutex_unlock(&lock);
	return a != NULL;
}

static void stat_archive(const struct connection *c)
{
	const struct archive *a;

	pthread_mutex_lock(&lock);
	a = find(c->name);
	if (a)
		answer(c, "ok %u %llu %s", a->entries, (unsigned long long)a->bytes, a->newest);
	else
		answer(c, "no such archive");
	pthread_mutex_unlock(&lock);
}

/* obey carries out a request whose name is whole; 0 if it is none. */
static int obey(struct connection *c)
{
	char owner[NAME + 1];

	snprintf(owner, sizeof owner, "%.*s", (int)strcspn(c->name, "/"), c->name);
	if (!*owner || !(c->account = quota_open(owner)))
		return 0;
	if (!memcmp(c->command, "PACK", 4)) {
		pack_start(&c->pack, &calls, c);
		c->bytes = 0;
		c->in_pack = 1;
	} else if (!memcmp(c->command, "STAT", 4)) {
		stat_archive(c);
	} else if (!memcmp(c->command, "ROOM", 4)) {
		answer(c, "ok %llu", (unsigned long long)quota_free(c->account));
	} else if (!memcmp(c->command, "WAIT", 4)) {
		pthread_mutex_lock(&lock);
		stop_waiting(c);
		start_waiting(c);
		pthread_mutex_unlock(&lock);
	} else {
		return 0;
	}
	return 1;
}

/* take_command gathers a request and its name; returns how many bytes were of it, or 0 if it is none. */
static size_t take_command(struct connection *c, const uint8_t *data, size_t size)
{
	size_t at = 0;

	while (at < size) {
		size_t name;
		c->command[c->command_size++] = data[at++];
		if (c->command_size < COMMAND)
			continue;
		name = c->command[COMMAND - 1];
		if (c->command_size < COMMAND + name)
			continue;
		memcpy(c->name, c->command + COMMAND, name);
		c->name[name] = '\0';
		c->command_size = 0;
		return obey(c) ? at : 0;
	}
	return at;
}

/* take_pack feeds an archive; returns how many bytes were of it, or 0 if it is refused. */
static size_t take_pack(struct connection *c, const uint8_t *data, size_t size)
{
	size_t n = pack_feed(&c->pack, data, size);

	if (c->pack.error) {
		answer(c, "no: %s", c->pack.error);
		return 0;
	}
	if (c->pack.done) {
		c->in_pack = 0;
		if (enter(c))
			answer(c, "ok %u %llu", c->pack.entries, (unsigned long long)c->bytes);
		else
			answer(c, "no memory");
	}
	return n;
}

static void from_client(struct connection *c)
{
	uint8_t piece[PIECE];
	ssize_t size = recv(c->fd, piece, sizeof piece, MSG_DONTWAIT);

	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	for (ssize_t at = 0; at < size;) {
		size_t n = c->in_pack ? take_pack(c, piece + at, (size_t)(size - at)) : take_command(c, piece + at, (size_t)(size - at));
		if (!n)
			size = 0;
		at += (ssize_t)n;
	}
	if (size <= 0)
		leave(c);
}

static void *work(void *context)
{
	const int *poller = context;
	struct epoll_event events[EVENTS];

	for (;;) {
		int n = epoll_wait(*poller, events, EVENTS, -1);
		for (int i = 0; i < n; i++)
			from_client(events[i].data.ptr);
	}
	return NULL;
}

/* welcome gives a connection to the next worker. */
static void welcome(int fd)
{
	static size_t next;
	struct connection *c = fd < 0 ? NULL : calloc(1, sizeof *c);
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

	if (c)
		c->fd = fd;
	if (fd >= 0 && (!c || epoll_ctl(pollers[next++ % WORKERS], EPOLL_CTL_ADD, fd, &event) < 0)) {
		close(fd);
		free(c);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pthread_t thread;

	if (argc != 2) {
		fprintf(stderr, "usage: uploadd PORT\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	quota_limit(PER_OWNER);
	for (size_t i = 0; i < WORKERS; i++)
		if ((pollers[i] = epoll_create1(EPOLL_CLOEXEC)) < 0 || pthread_create(&thread, NULL, work, &pollers[i]))
			return 71;
	at.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 128) < 0) {
		perror("uploadd");
		return 1;
	}
	for (;;)
		welcome(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
}
