/* uafd: talk in channels. Commands are lines over TCP:
 *
 *	NICK name | OPEN #c | SAY #c text | LAST #c n | TOPIC #c [text] | WAIT #c | DROP #c | LIST | QUIT
 */
#define _GNU_SOURCE
#include "libchannel.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = 256, INPUT = 4096, OUTPUT = 16384 };

struct client {
	int fd;
	char nick[32];
	char waits_for[CHANNEL_NAME]; /* told of the next line there */
	char input[INPUT];
	size_t size;
};

static struct client clients[CLIENTS];
static char output[OUTPUT];

static void tell(const struct client *c, const char *text)
{
	send(c->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void leave(struct client *c)
{
	close(c->fd);
	memset(c, 0, sizeof *c);
	c->fd = -1;
}

/* wake tells those who wait for a channel's next line. */
static void wake(const char *name, const char *who, const char *text)
{
	snprintf(output, sizeof output, "%s %s: %s\n", name, who, text);
	for (size_t i = 0; i < CLIENTS; i++) {
		if (clients[i].fd < 0 || strcmp(clients[i].waits_for, name))
			continue;
		clients[i].waits_for[0] = '\0';
		tell(&clients[i], output);
	}
}

static void say(struct client *c, struct channel *ch, const char *text)
{
	channel_say(ch, c->nick, text);
	wake(ch->name, c->nick, text);
	tell(c, "OK\n");
}

static void topic(struct client *c, struct channel *ch, const char *text)
{
	if (*text)
		snprintf(ch->topic, sizeof ch->topic, "%s", text);
	snprintf(output, sizeof output, "OK %s\n", ch->topic);
	tell(c, output);
}

static void last(struct client *c, struct channel *ch, const char *count)
{
	size_t n = channel_last(ch, (unsigned)strtoul(count, NULL, 10), output, sizeof output - 4);

	strcpy(output + n, "OK\n");
	tell(c, output);
}

static void drop(struct client *c, struct channel *ch)
{
	if (strcmp(ch->owner, c->nick)) {
		tell(c, "NO it is not yours\n");
		return;
	}
	channel_drop(ch);
	tell(c, "OK\n");
}

static void list(struct client *c)
{
	strcpy(output + channel_names(output, sizeof output - 4), "OK\n");
	tell(c, output);
}

/* obey carries out one line. */
static void obey(struct client *c, char *line)
{
	char *verb = strsep(&line, " "), *name = line ? strsep(&line, " ") : "", *rest = line ? line : "";
	struct channel *ch;

	if (!strcasecmp(verb, "NICK")) {
		snprintf(c->nick, sizeof c->nick, "%s", name);
		tell(c, "OK\n");
		return;
	}
	if (!strcasecmp(verb, "QUIT")) {
		leave(c);
		return;
	}
	if (!strcasecmp(verb, "LIST")) {
		list(c);
		return;
	}
	if (*name != '#' || strlen(name) >= CHANNEL_NAME) {
		tell(c, "NO such command\n");
		return;
	}
	ch = channel_find(name);
	if (!strcasecmp(verb, "OPEN"))
		tell(c, ch || channel_create(name, c->nick) ? "OK\n" : "NO memory\n");
	else if (!ch)
		tell(c, "NO such channel\n");
	else if (!strcasecmp(verb, "SAY"))
		say(c, ch, rest);
	else if (!strcasecmp(verb, "TOPIC"))
		topic(c, ch, rest);
	else if (!strcasecmp(verb, "LAST"))
		last(c, ch, rest);
	else if (!strcasecmp(verb, "DROP"))
		drop(c, ch);
	else if (!strcasecmp(verb, "WAIT"))
		strcpy(c->waits_for, name);
	else
		tell(c, "NO such command\n");
}

static void from_client(struct client *c)
{
	ssize_t n = recv(c->fd, c->input + c->size, INPUT - 1 - c->size, 0);
	char *newline;

	if (n <= 0) {
		leave(c);
		return;
	}
	c->size += (size_t)n;
	while (c->fd >= 0 && (newline = memchr(c->input, '\n', c->size))) {
		*newline = '\0';
		if (newline > c->input && newline[-1] == '\r')
			newline[-1] = '\0';
		obey(c, c->input);
		if (c->fd < 0)
			return;
		c->size -= (size_t)(newline + 1 - c->input);
		memmove(c->input, newline + 1, c->size);
	}
	if (c->size == INPUT - 1)
		leave(c);
}

static void welcome(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < CLIENTS; i++) {
		if (clients[i].fd >= 0)
			continue;
		clients[i].fd = fd;
		snprintf(clients[i].nick, sizeof clients[i].nick, "guest%zu", i);
		tell(&clients[i], "HELLO\n");
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

	if (argc != 2) {
		fprintf(stderr, "usage: uafd PORT\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < CLIENTS; i++)
		clients[i].fd = -1;
	at.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 128) < 0) {
		perror("uafd");
		return 1;
	}
	for (;;) {
		fds[CLIENTS] = (struct pollfd){ listener, POLLIN, 0 };
		for (size_t i = 0; i < CLIENTS; i++)
			fds[i] = (struct pollfd){ clients[i].fd, POLLIN, 0 };
		if (poll(fds, CLIENTS + 1, -1) < 0 && errno != EINTR)
			return 1;
		for (size_t i = 0; i < CLIENTS; i++)
			if (fds[i].revents && fds[i].fd >= 0)
				from_client(&clients[i]);
		if (fds[CLIENTS].revents)
			welcome(listener);
	}
}
