/* sealedd: gathers syslog messages that come by RELP over TLS.
 *
 *	open DATA        answered with what this end can do
 *	syslog MESSAGE   answered when it is counted and kept
 *	stat [MINUTE]    how many there were, in all or in that minute of an hour
 *	last HOST        the latest message of a host
 *	tail HOST        answered with the next message of that host
 *	close
 *
 * Each connection ends in here: libssl speaks TLS, and one loop serves all. */
#define _GNU_SOURCE
#include "libsyslog.h"
#include "libtally.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { INPUT = 32768, KEPT = 256, LINE = 512, EVENTS = 32 };

struct connection {
	int fd;
	SSL *ssl;
	int opened, closing;
	char tails[NAME];  /* the host whose next message it wants */
	unsigned tails_as; /* the number of its question */
	struct connection *next, **link;
	size_t size;
	char input[INPUT];
};

/* The latest messages, in a ring. */
struct kept {
	char host[NAME];
	char line[LINE];
};

static struct connection *connections;
static struct kept kept[KEPT];
static unsigned long keeps;
static struct tally tally;
static SSL_CTX *tls;
static int poller;

__attribute__((format(printf, 3, 4))) static void respond(struct connection *c, unsigned number, const char *format, ...)
{
	char text[LINE + 64], whole[LINE + 128];
	va_list list;
	int n;

	va_start(list, format);
	n = vsnprintf(text, sizeof text, format, list);
	va_end(list);
	if (n >= (int)sizeof text)
		n = sizeof text - 1;
	n = snprintf(whole, sizeof whole, "%u rsp %d %.*s\n", number, n, n, text);
	/* Answers are short: who doesn't make room for one has stopped reading. */
	if (SSL_write(c->ssl, whole, n) != n)
		c->closing = 1;
}

static void leave(struct connection *c)
{
	if (c->next)
		c->next->link = c->link;
	*c->link = c->next;
	SSL_shutdown(c->ssl);
	SSL_free(c->ssl);
	close(c->fd);
	free(c);
}

static void keep(const struct message *m)
{
	struct kept *k = &kept[keeps++ % KEPT];

	snprintf(k->host, sizeof k->host, "%s", m->host);
	snprintf(k->line, sizeof k->line, "%s %s[%s]: %.*s", m->host, m->app, m->process, (int)(m->size > 300 ? 300 : m->size), m->text);
}

/* wake tells those who wait for a host's next message. */
static void wake(const struct message *m)
{
	for (struct connection *c = connections; c; c = c->next) {
		if (strcmp(c->tails, m->host))
			continue;
		c->tails[0] = '\0';
		respond(c, c->tails_as, "200 %s", kept[(keeps - 1) % KEPT].line);
	}
}

static void take_message(struct connection *c, const struct frame *f)
{
	struct message m;
	const char *wrong = message_read(&m, f->data, f->size);

	if (wrong) {
		respond(c, f->number, "500 %s", wrong);
		return;
	}
	if (!m.moment.known) {
		time_t now = time(NULL);
		m.moment.minute = (int)(now / 60 % 60);
		m.moment.second = (int)(now % 60);
	}
	tally_add(&tally, m.moment.minute, m.moment.second, m.severity, f->size);
	keep(&m);
	wake(&m);
	respond(c, f->number, "200 OK");
}

static void stat_of(struct connection *c, const struct frame *f)
{
	int minute = f->size ? atoi(f->data) : -1, peak = tally_peak(&tally);

	if (minute >= 60)
		respond(c, f->number, "500 no such minute");
	else if (minute >= 0)
		respond(c, f->number, "200 %lu", tally_minute(&tally, minute));
	else
		respond(c, f->number, "200 %lu messages, %lu bytes, most at %02d:%02d", tally.messages, tally.bytes, peak / 60, peak % 60);
}

static void last_of(struct connection *c, const struct frame *f)
{
	for (unsigned long i = keeps; i > 0 && keeps - i < KEPT; i--) {
		const struct kept *k = &kept[(i - 1) % KEPT];
		if (strlen(k->host) == f->size && !memcmp(k->host, f->data, f->size)) {
			respond(c, f->number, "200 %s", k->line);
			return;
		}
	}
	respond(c, f->number, "500 nothing from there");
}

static void obey(struct connection *c, const struct frame *f)
{
	if (!strcmp(f->command, "open")) {
		c->opened = 1;
		respond(c, f->number, "200 OK\nrelp_version=0\nrelp_software=sealedd\ncommands=syslog,stat,last,tail");
	} else if (!c->opened) {
		respond(c, f->number, "500 not open");
		c->closing = 1;
	} else if (!strcmp(f->command, "syslog")) {
		take_message(c, f);
	} else if (!strcmp(f->command, "stat")) {
		stat_of(c, f);
	} else if (!strcmp(f->command, "last")) {
		last_of(c, f);
	} else if (!strcmp(f->command, "tail") && f->size < NAME) {
		memcpy(c->tails, f->data, f->size);
		c->tails[f->size] = '\0';
		c->tails_as = f->number;
	} else if (!strcmp(f->command, "close")) {
		respond(c, f->number, "200 OK");
		c->closing = 1;
	} else {
		respond(c, f->number, "500 no such command");
	}
}

/* take_frames obeys the whole frames that have come. */
static void take_frames(struct connection *c)
{
	struct frame f;
	size_t at = 0;
	ssize_t n;

	while (!c->closing && at < c->size && (n = frame_read(&f, c->input + at, c->size - at))) {
		if (n < 0) {
			respond(c, 0, "500 no frame");
			c->closing = 1;
			return;
		}
		obey(c, &f);
		at += (size_t)n;
	}
	c->size -= at;
	memmove(c->input, c->input + at, c->size);
	if (c->size == INPUT)
		c->closing = 1;
}

static void from_client(struct connection *c)
{
	int n = 0;

	ERR_clear_error(); /* what others have left there would be taken for this one's */
	while (!c->closing) {
		n = SSL_read(c->ssl, c->input + c->size, (int)(INPUT - c->size));
		if (n <= 0)
			break;
		c->size += (size_t)n;
		take_frames(c);
	}
	if (!c->closing) {
		switch (SSL_get_error(c->ssl, n)) {
		case SSL_ERROR_WANT_READ:
		case SSL_ERROR_WANT_WRITE:
			return;
		}
	}
	leave(c);
}

static void welcome(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct connection *c = fd < 0 ? NULL : calloc(1, sizeof *c);
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

	if (!c || !(c->ssl = SSL_new(tls))) {
		free(c);
		if (fd >= 0)
			close(fd);
		return;
	}
	c->fd = fd;
	SSL_set_fd(c->ssl, fd);
	SSL_set_accept_state(c->ssl);
	c->link = &connections;
	c->next = connections;
	if (c->next)
		c->next->link = &c->next;
	connections = c;
	epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

static int listen_at(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	return bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 128) < 0 ? -1 : fd;
}

static int prepare_tls(const char *certificate, const char *key)
{
	tls = SSL_CTX_new(TLS_server_method());
	if (!tls)
		return -1;
	SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
	if (SSL_CTX_use_certificate_chain_file(tls, certificate) != 1 || SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1) {
		ERR_print_errors_fp(stderr);
		return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS], event = { .events = EPOLLIN };
	int listener;

	if (argc != 4) {
		fprintf(stderr, "usage: sealedd PORT CERTIFICATE KEY\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	if (prepare_tls(argv[2], argv[3]) < 0)
		return 71;
	poller = epoll_create1(EPOLL_CLOEXEC);
	listener = listen_at((uint16_t)atoi(argv[1]));
	if (listener < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) < 0) {
		perror("sealedd");
		return 1;
	}
	for (;;) {
		int n = epoll_wait(poller, events, EVENTS, -1);
		if (n < 0 && errno != EINTR)
			return 1;
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				from_client(events[i].data.ptr);
			else
				welcome(listener);
		}
	}
}
