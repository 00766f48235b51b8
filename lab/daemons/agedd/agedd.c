/* agedd: knows who is logged in. Commands are lines over TCP, each answered with one:
 *
 *	LOGIN user [place]   a ticket: KEY.SESSION.USER.SIGNATURE
 *	CHECK ticket         is it good, and for whom
 *	TOUCH ticket         the same, and the session lives on
 *	LOGOUT ticket
 *	AWAIT user           answered when that user logs in the next time
 *	WHO | KEYS | QUIT
 *
 * Tickets are signed, with keys that follow one another by the clock; so do sessions end. */
#define _GNU_SOURCE
#include "libkeyring.h"

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
#include <time.h>
#include <unistd.h>

enum { INPUT = 2048, USER = 48, PLACE = 64, BUCKETS = 257, SESSION_IDLE = 1500, TICK = 50, EVENTS = 32 };

struct session {
	struct session *next;
	unsigned long id;
	long long seen;
	char user[USER];
	char place[PLACE];
};

struct client {
	struct client *next, **here; /* all clients, and what points to this one */
	int fd;
	char awaits[USER];
	size_t size;
	char input[INPUT];
};

static struct keyring ring;
static struct session *sessions[BUCKETS];
static struct client *clients;
static unsigned long logins, live;
static int queue;

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

__attribute__((format(printf, 2, 3))) static void tell(const struct client *c, const char *format, ...)
{
	char text[512];
	va_list list;
	int n;

	va_start(list, format);
	n = vsnprintf(text, sizeof text, format, list);
	va_end(list);
	send(c->fd, text, (size_t)(n < (int)sizeof text ? n : (int)sizeof text - 1), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void leave(struct client *c)
{
	close(c->fd);
	*c->here = c->next;
	if (c->next)
		c->next->here = c->here;
	free(c);
}

/* ticket_text is the part of a ticket that is signed. */
static void ticket_text(char *to, size_t room, const char *key, unsigned long id, const char *user)
{
	snprintf(to, room, "%s.%lx.%s", key, id, user);
}

static void wake(const char *user, const char *place)
{
	for (struct client *c = clients; c; c = c->next) {
		if (strcmp(c->awaits, user))
			continue;
		c->awaits[0] = '\0';
		tell(c, "HERE %s %s\n", user, place);
	}
}

static void login(struct client *c, const char *user, const char *place)
{
	struct key *key = keyring_newest(&ring);
	struct session *s;
	char text[128];

	if (!*user || strlen(user) >= USER || strchr(user, '.')) {
		tell(c, "NO such user\n");
		return;
	}
	s = calloc(1, sizeof *s);
	if (!s) {
		tell(c, "NO memory\n");
		return;
	}
	s->id = ++logins;
	s->seen = now_ms();
	snprintf(s->user, sizeof s->user, "%s", user);
	snprintf(s->place, sizeof s->place, "%s", place ? place : "?");
	s->next = sessions[s->id % BUCKETS];
	sessions[s->id % BUCKETS] = s;
	live++;
	ticket_text(text, sizeof text, key->name, s->id, s->user);
	tell(c, "TICKET %s.%016llx\n", text, (unsigned long long)key_sign(key, text));
	wake(s->user, s->place);
}

/* ticket_check finds a ticket's session; if there is none, *why says so. */
static struct session *ticket_check(char *ticket, const char **why)
{
	char *name = strsep(&ticket, "."), *id = strsep(&ticket, "."), *user = strsep(&ticket, "."), text[128];
	struct key *key;
	unsigned long number;

	*why = "malformed";
	if (!ticket || strlen(name) >= KEY_NAME || strlen(user) >= USER)
		return NULL;
	key = keyring_find(&ring, name);
	*why = "outdated";
	if (!key)
		return NULL;
	number = strtoul(id, NULL, 16);
	ticket_text(text, sizeof text, name, number, user);
	*why = "forged";
	if (key_sign(key, text) != strtoull(ticket, NULL, 16))
		return NULL;
	*why = "ended";
	for (struct session *s = sessions[number % BUCKETS]; s; s = s->next)
		if (s->id == number)
			return s;
	return NULL;
}

static void session_end(unsigned long id)
{
	for (struct session **at = &sessions[id % BUCKETS]; *at; at = &(*at)->next) {
		struct session *s = *at;
		if (s->id != id)
			continue;
		*at = s->next;
		free(s);
		live--;
		return;
	}
}

/* with_ticket carries out a command that takes one. */
static void with_ticket(struct client *c, const char *command, char *ticket)
{
	const char *why;
	struct session *s = ticket_check(ticket, &why);

	if (!s) {
		tell(c, "NO %s\n", why);
	} else if (!strcmp(command, "LOGOUT")) {
		session_end(s->id);
		tell(c, "BYE\n");
	} else {
		if (!strcmp(command, "TOUCH"))
			s->seen = now_ms();
		tell(c, "OK %s %s %lld\n", s->user, s->place, now_ms() - s->seen);
	}
}

/* obey carries out one line; 0 if the client is gone. */
static int obey(struct client *c, char *line)
{
	char *command = strsep(&line, " "), *argument = strsep(&line, " \r");

	if (!strcmp(command, "LOGIN") && argument)
		login(c, argument, line);
	else if ((!strcmp(command, "CHECK") || !strcmp(command, "TOUCH") || !strcmp(command, "LOGOUT")) && argument)
		with_ticket(c, command, argument);
	else if (!strcmp(command, "AWAIT") && argument)
		snprintf(c->awaits, sizeof c->awaits, "%s", argument);
	else if (!strcmp(command, "WHO"))
		tell(c, "OK %lu of %lu\n", live, logins);
	else if (!strcmp(command, "KEYS"))
		tell(c, "OK %zu, the newest is %s\n", ring.count, keyring_newest(&ring)->name);
	else if (!strcmp(command, "QUIT"))
		return 0;
	else
		tell(c, "NO such command\n");
	return 1;
}

static void from_client(struct client *c)
{
	ssize_t n = recv(c->fd, c->input + c->size, INPUT - c->size, MSG_DONTWAIT);
	char *newline;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		leave(c);
		return;
	}
	c->size += (size_t)n;
	while ((newline = memchr(c->input, '\n', c->size))) {
		*newline = '\0';
		if (!obey(c, c->input)) {
			leave(c);
			return;
		}
		c->size -= (size_t)(newline + 1 - c->input);
		memmove(c->input, newline + 1, c->size);
	}
	if (c->size == INPUT)
		leave(c);
}

static void watch(int fd, void *as)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = as };

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
	c->next = clients;
	c->here = &clients;
	if (clients)
		clients->here = &c->next;
	clients = c;
	watch(fd, c);
}

/* grow_older is what the clock makes the service do. */
static void grow_older(int clock)
{
	long long now = now_ms();
	uint64_t ticks;

	if (read(clock, &ticks, sizeof ticks) != sizeof ticks)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct session *s = sessions[i], *next; s; s = next) {
			next = s->next;
			if (now - s->seen >= SESSION_IDLE)
				session_end(s->id);
		}
	}
	keyring_turn(&ring, now);
	keyring_sweep(&ring, now);
}

static int start_clock(void)
{
	struct itimerspec every = { { 0, TICK * 1000000L }, { 0, TICK * 1000000L } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	return fd < 0 || timerfd_settime(fd, 0, &every, NULL) < 0 ? -1 : fd;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	struct epoll_event ready[EVENTS];
	int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), clock;

	if (argc != 3) {
		fprintf(stderr, "usage: agedd PORT KEY-LIFE-MS\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	queue = epoll_create1(EPOLL_CLOEXEC);
	clock = start_clock();
	if (queue < 0 || clock < 0 || !keyring_open(&ring, atoll(argv[2]), now_ms()))
		return 71;
	at.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 128) < 0) {
		perror("agedd");
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
				grow_older(clock);
			else
				from_client(ready[i].data.ptr);
		}
	}
}
