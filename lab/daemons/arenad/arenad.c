/* arenad: takes mail by SMTP and queues it.
 *
 * Beside the usual commands: XNEXT USER is answered when the next mail for that user comes, XSTATS tells how much there is.
 * What is of a mail, and of a connection, is in libpool's memory. */
#define _GNU_SOURCE
#include "libaddress.h"
#include "libpool.h"

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

enum { INPUT = 3800, QUEUE = 48, RECIPIENTS = 20, HEADERS = 40, USER = 64, EVENTS = 32 };

/* Whom a mail is for, and how a notification will call him. */
struct recipient {
	char *address, *original;
	struct recipient *next;
};

struct header {
	char *line;
	struct header *next;
};

struct mail {
	unsigned long number;
	char *sender, *returns; /* returns: as a notification has it */
	struct recipient *recipients;
	struct header *headers, **last_header;
	unsigned recipient_count, header_count;
	size_t size;
};

struct connection {
	int fd, in_data, in_body, over;
	struct mail *mail;
	struct connection *next, **link;
	char waits_for[USER];
	size_t size;
	char input[INPUT];
};

static struct connection *connections;
static struct mail *queue[QUEUE];
static unsigned long queued;
static int poller;

__attribute__((format(printf, 2, 3))) static void reply(const struct connection *c, const char *format, ...)
{
	char text[512];
	va_list list;
	int n;

	va_start(list, format);
	n = vsnprintf(text, sizeof text - 2, format, list);
	va_end(list);
	if (n > (int)sizeof text - 3)
		n = sizeof text - 3;
	memcpy(text + n, "\r\n", 2);
	send(c->fd, text, (size_t)n + 2, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void mail_free(struct mail *m)
{
	if (!m)
		return;
	for (struct recipient *r = m->recipients, *next; r; r = next) {
		next = r->next;
		pool_free(r->address);
		pool_free(r->original);
		pool_free(r);
	}
	for (struct header *h = m->headers, *next; h; h = next) {
		next = h->next;
		pool_free(h->line);
		pool_free(h);
	}
	pool_free(m->sender);
	pool_free(m->returns);
	pool_free(m);
}

static void reset(struct connection *c)
{
	mail_free(c->mail);
	c->mail = NULL;
	c->in_data = c->in_body = 0;
}

static void leave(struct connection *c)
{
	reset(c);
	if (c->next)
		c->next->link = c->link;
	*c->link = c->next;
	close(c->fd);
	pool_free(c);
}

/* original makes what a notification calls an address. */
static char *original(const char *address, size_t size)
{
	char *text = pool_alloc(address_room(address, size));

	if (text)
		address_original(address, size, text);
	return text;
}

static void mail_from(struct connection *c, const char *text)
{
	const char *address;
	long size = address_read(text, &address);
	struct mail *m;

	if (size < 0) {
		reply(c, "501 whose mail?");
		return;
	}
	reset(c);
	m = pool_alloc(sizeof *m);
	if (!m) {
		reply(c, "452 no memory");
		return;
	}
	memset(m, 0, sizeof *m);
	m->last_header = &m->headers;
	m->sender = pool_text(address, (size_t)size);
	m->returns = original(address, (size_t)size);
	c->mail = m;
	reply(c, "250 sender ok");
}

static void rcpt_to(struct connection *c, const char *text)
{
	const char *address;
	long size = address_read(text, &address);
	struct recipient *r;

	if (!c->mail) {
		reply(c, "503 from whom?");
		return;
	}
	if (size <= 0 || !memchr(address, '@', (size_t)size)) {
		reply(c, "501 for whom?");
		return;
	}
	if (c->mail->recipient_count == RECIPIENTS || !(r = pool_alloc(sizeof *r))) {
		reply(c, "452 too many recipients");
		return;
	}
	r->address = pool_text(address, (size_t)size);
	r->original = original(address, (size_t)size);
	r->next = c->mail->recipients;
	c->mail->recipients = r;
	c->mail->recipient_count++;
	reply(c, "250 recipient ok");
}

/* wake tells those who wait for a user's mail. */
static void wake(const struct mail *m)
{
	for (struct connection *c = connections; c; c = c->next)
		for (const struct recipient *r = m->recipients; *c->waits_for && r; r = r->next)
			if (r->address && !strncmp(r->address, c->waits_for, strlen(c->waits_for)) && r->address[strlen(c->waits_for)] == '@') {
				reply(c, "250 mail %lu came", m->number);
				c->waits_for[0] = '\0';
			}
}

static void enqueue(struct connection *c)
{
	struct mail **place = &queue[queued % QUEUE], *m = c->mail;

	mail_free(*place); /* by now it is delivered */
	*place = m;
	c->mail = NULL;
	m->number = ++queued;
	wake(m);
	reply(c, "250 queued as %lu, %u recipients, %u headers, %zu bytes", m->number, m->recipient_count, m->header_count, m->size);
}

static void keep_header(struct mail *m, const char *line, size_t size)
{
	struct header *h = m->header_count < HEADERS ? pool_alloc(sizeof *h) : NULL;

	if (!h)
		return;
	h->line = pool_text(line, size);
	h->next = NULL;
	*m->last_header = h;
	m->last_header = &h->next;
	m->header_count++;
}

static void take_data(struct connection *c, const char *line)
{
	size_t size = strlen(line);

	if (!strcmp(line, ".")) {
		c->in_data = c->in_body = 0;
		enqueue(c);
		return;
	}
	c->mail->size += size + 2;
	if (!size)
		c->in_body = 1;
	else if (!c->in_body)
		keep_header(c->mail, line, size);
}

static int is(const char *line, const char *command) { return !strncasecmp(line, command, strlen(command)); }

static void obey(struct connection *c, const char *line)
{
	if (is(line, "EHLO ")) {
		reply(c, "250-arenad\r\n250-PIPELINING\r\n250-DSN\r\n250 SMTPUTF8");
	} else if (is(line, "HELO ")) {
		reply(c, "250 arenad");
	} else if (is(line, "MAIL FROM:")) {
		mail_from(c, line + 10);
	} else if (is(line, "RCPT TO:")) {
		rcpt_to(c, line + 8);
	} else if (is(line, "DATA")) {
		c->in_data = c->mail && c->mail->recipients;
		reply(c, c->in_data ? "354 go on" : "503 for whom?");
	} else if (is(line, "RSET")) {
		reset(c);
		reply(c, "250 ok");
	} else if (is(line, "NOOP")) {
		reply(c, "250 ok");
	} else if (is(line, "VRFY ")) {
		reply(c, "252 try and see");
	} else if (is(line, "XSTATS")) {
		reply(c, "250 %lu mails, %zu bytes in use", queued, pool_used());
	} else if (is(line, "XNEXT ") && strlen(line + 6) < USER) {
		strcpy(c->waits_for, line + 6);
	} else if (is(line, "QUIT")) {
		reply(c, "221 bye");
		c->over = 1;
	} else {
		reply(c, "500 what?");
	}
}

/* take_lines obeys the whole lines that have come. */
static void take_lines(struct connection *c)
{
	char *line = c->input, *end;

	while (!c->over && (end = memchr(line, '\n', c->size - (size_t)(line - c->input)))) {
		*end = '\0';
		if (end > line && end[-1] == '\r')
			end[-1] = '\0';
		if (c->in_data)
			take_data(c, line);
		else
			obey(c, line);
		line = end + 1;
	}
	c->size -= (size_t)(line - c->input);
	memmove(c->input, line, c->size);
	if (c->size == INPUT) {
		reply(c, "500 the line is too long");
		c->over = 1;
	}
}

static void from_client(struct connection *c)
{
	ssize_t n = recv(c->fd, c->input + c->size, INPUT - c->size, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		c->size += (size_t)n;
		take_lines(c);
	}
	if (n <= 0 || c->over)
		leave(c);
}

static void welcome(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct connection *c = fd < 0 ? NULL : pool_alloc(sizeof *c);
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

	if (!c) {
		if (fd >= 0)
			close(fd);
		return;
	}
	memset(c, 0, sizeof *c);
	c->fd = fd;
	c->link = &connections;
	c->next = connections;
	if (c->next)
		c->next->link = &c->next;
	connections = c;
	epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
	reply(c, "220 arenad is ready");
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct epoll_event events[EVENTS], event = { .events = EPOLLIN };

	if (argc != 2) {
		fprintf(stderr, "usage: arenad PORT\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	poller = epoll_create1(EPOLL_CLOEXEC);
	at.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 128) < 0 ||
	    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) < 0) {
		perror("arenad");
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
