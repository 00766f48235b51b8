/* queue: the worker. Commands are lines over TCP, answered with one each:
 *
 *	use TUBE             jobs are put into and taken from there
 *	put SIZE             with the job on a line of its own; INSERTED id
 *	reserve              RESERVED id size, and the job on a line of its own; waits until there is one
 *	release id | delete id | stats | quit
 */
#define _GNU_SOURCE
#include "queue.h"
#include "libjournal.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 384, LINE = 256, JOB = 4096, INPUT = LINE + JOB, TUBE = 48, PULSE_MS = 40, FLUSH_MS = 80 };

struct job {
	struct job *next;
	unsigned long id;
	char tube[TUBE];
	int taken; /* somebody has reserved it */
	size_t size;
	char text[];
};

struct client {
	int fd, waits;
	char tube[TUBE];
	size_t putting; /* the size of the job that comes next */
	int put_follows;
	size_t size;
	char input[INPUT];
};

static struct client clients[CLIENTS];
static struct job *jobs, **last = &jobs;
static struct journal *journal;
static unsigned long made, done;

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

__attribute__((format(printf, 2, 3))) static void tell(const struct client *c, const char *format, ...)
{
	char text[LINE];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	send(c->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
	char text[LINE];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	journal_note(journal, text);
}

static void leave(struct client *c)
{
	close(c->fd);
	*c = (struct client){ .fd = -1 };
}

static void give(struct client *c, struct job *job)
{
	char text[LINE + JOB];
	int n = snprintf(text, LINE, "RESERVED %lu %zu\n", job->id, job->size);

	c->waits = 0;
	job->taken = 1;
	memcpy(text + n, job->text, job->size);
	text[(size_t)n + job->size] = '\n';
	send(c->fd, text, (size_t)n + job->size + 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	note("reserved %lu", job->id);
}

/* offer gives a free job to the first who waits in its tube. */
static void offer(struct job *job)
{
	for (size_t i = 0; i < CLIENTS && !job->taken; i++)
		if (clients[i].fd >= 0 && clients[i].waits && !strcmp(clients[i].tube, job->tube))
			give(&clients[i], job);
}

static void reserve(struct client *c)
{
	c->waits = 1;
	for (struct job *job = jobs; job; job = job->next) {
		if (job->taken || strcmp(job->tube, c->tube))
			continue;
		give(c, job);
		return;
	}
}

static void put(struct client *c, const char *text, size_t size)
{
	struct job *job = malloc(sizeof *job + size);

	if (!job) {
		tell(c, "OUT_OF_MEMORY\n");
		return;
	}
	*job = (struct job){ .id = ++made, .size = size };
	strcpy(job->tube, c->tube);
	memcpy(job->text, text, size);
	*last = job;
	last = &job->next;
	note("put %lu %s %zu", job->id, job->tube, size);
	tell(c, "INSERTED %lu\n", job->id);
	offer(job);
}

/* with_job carries out what is about one job. */
static void with_job(const struct client *c, const char *verb, unsigned long id)
{
	struct job **at = &jobs, *job;

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	job = *at;
	if (!job) {
		tell(c, "NOT_FOUND\n");
	} else if (!strcmp(verb, "release")) {
		job->taken = 0;
		note("released %lu", id);
		tell(c, "RELEASED\n");
		offer(job);
	} else {
		*at = job->next;
		if (last == &job->next)
			last = at;
		free(job);
		done++;
		note("deleted %lu", id);
		tell(c, "DELETED\n");
	}
}

/* obey carries out one line; 0 if it was the last. */
static int obey(struct client *c, char *line)
{
	char *verb = strsep(&line, " \r"), *word = strsep(&line, " \r");

	if (!strcmp(verb, "quit"))
		return 0;
	if (!strcmp(verb, "reserve")) {
		reserve(c);
	} else if (!strcmp(verb, "stats")) {
		tell(c, "OK made %lu done %lu journal %zu\n", made, done, journal_position(journal));
	} else if (!word || !*word) {
		tell(c, "UNKNOWN_COMMAND\n");
	} else if (!strcmp(verb, "use") && strlen(word) < TUBE) {
		strcpy(c->tube, word);
		tell(c, "USING %s\n", word);
	} else if (!strcmp(verb, "put") && strtoul(word, NULL, 10) <= JOB) {
		c->putting = strtoul(word, NULL, 10);
		c->put_follows = 1;
	} else if (!strcmp(verb, "release") || !strcmp(verb, "delete")) {
		with_job(c, verb, strtoul(word, NULL, 10));
	} else {
		tell(c, "BAD_FORMAT\n");
	}
	return 1;
}

/* advance carries out what stands first in a client's input; gives how much that was, 0 if it isn't whole, -1
 * if it was the last. */
static long advance(struct client *c)
{
	size_t size = c->putting;
	char *newline;

	if (c->put_follows) {
		if (c->size <= size)
			return 0;
		c->put_follows = 0;
		put(c, c->input, size);
		return (long)size + 1;
	}
	newline = memchr(c->input, '\n', c->size);
	if (!newline)
		return c->size < LINE ? 0 : -1;
	*newline = '\0';
	return obey(c, c->input) ? newline + 1 - c->input : -1;
}

static void from_client(struct client *c)
{
	ssize_t n = recv(c->fd, c->input + c->size, INPUT - c->size, MSG_DONTWAIT);
	long used = 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		c->size += (size_t)n;
	while (n > 0 && c->size && (used = advance(c)) > 0) {
		c->size -= (size_t)used;
		memmove(c->input, c->input + used, c->size);
	}
	if (n <= 0 || used < 0)
		leave(c);
}

static void welcome(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < CLIENTS; i++) {
		if (clients[i].fd >= 0)
			continue;
		clients[i] = (struct client){ .fd = fd, .tube = "default" };
		return;
	}
	if (fd >= 0)
		close(fd);
}

/* every tells whether so many milliseconds have passed since it last said so. */
static int every(int ms, long long *since)
{
	long long now = now_ms();

	if (now - *since < ms)
		return 0;
	*since = now;
	return 1;
}

int queue_serve(int listener, const char *path, int pulse)
{
	static struct pollfd fds[CLIENTS + 1];
	long long pulsed = 0, flushed = 0;

	journal = journal_open(path);
	if (!journal)
		return 73;
	for (size_t i = 0; i < CLIENTS; i++)
		clients[i].fd = -1;
	for (;;) {
		fds[CLIENTS] = (struct pollfd){ listener, POLLIN, 0 };
		for (size_t i = 0; i < CLIENTS; i++)
			fds[i] = (struct pollfd){ clients[i].fd, POLLIN, 0 };
		if (poll(fds, CLIENTS + 1, PULSE_MS) < 0 && errno != EINTR)
			return 71;
		for (size_t i = 0; i < CLIENTS; i++)
			if (fds[i].revents)
				from_client(&clients[i]);
		if (fds[CLIENTS].revents)
			welcome(listener);
		if (every(FLUSH_MS, &flushed))
			journal_flush(journal);
		if (every(PULSE_MS, &pulsed) && write(pulse, ".", 1) < 0)
			return 0; /* nobody looks after this one any more */
	}
}
