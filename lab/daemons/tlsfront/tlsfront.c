/* tlsfront: takes TLS connections, and passes their requests to a plain HTTP backend.
 *
 * One process, one epoll loop. It binds its port and reads its certificate as root, then shuts itself
 * into an empty directory and gives its privileges away. */
#define _GNU_SOURCE
#include "libsecure.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST_LIMIT = 16384, HANDSHAKE_SECONDS = 30 };

struct options {
	const char *certificate, *keytab, *root, *log;
	int port, backend_port, uid;
};

struct connection;

/* A side is what epoll hands back: which descriptor of which connection. */
struct side {
	struct connection *of;
	int fd;
};

struct connection {
	struct side client, backend;
	struct secure *secure;
	int established, closing;
	time_t opened;
	char peer[64];
	char request[REQUEST_LIMIT];
	size_t request_size;
	struct connection *next, **link;
};

static int loop = -1;
static FILE *journal;
static struct secure_context *context;
static struct options options = { .port = 8443, .backend_port = 8080, .uid = 65534 };
static struct connection *connections;

static void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void note(const char *format, ...)
{
	va_list list;

	fprintf(journal, "%ld ", (long)time(NULL));
	va_start(list, format);
	vfprintf(journal, format, list);
	va_end(list);
	fputc('\n', journal);
	fflush(journal);
}

static void die(const char *what)
{
	fprintf(stderr, "tlsfront: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void watch(struct side *side, uint32_t events, int operation)
{
	struct epoll_event event = { .events = events, .data.ptr = side };

	if (epoll_ctl(loop, operation, side->fd, &event) < 0)
		die("epoll_ctl");
}

static void close_connection(struct connection *c)
{
	if (c->client.fd >= 0)
		close(c->client.fd);
	if (c->backend.fd >= 0)
		close(c->backend.fd);
	secure_free(c->secure);
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	free(c);
}

/* flush sends what waits for the client; -1 when the connection is over. */
static int flush(struct connection *c)
{
	const uint8_t *out;
	size_t n;

	while (out = secure_output(c->secure, &n), n > 0) {
		ssize_t sent = send(c->client.fd, out, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno == EAGAIN) {
			watch(&c->client, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
			return 0;
		}
		if (sent <= 0)
			return -1;
		secure_sent(c->secure, (size_t)sent);
	}
	return c->closing ? -1 : 0;
}

static void answer(struct connection *c, int status, const char *text)
{
	char reply[512];
	int n = snprintf(reply, sizeof reply, "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\nServer: tlsfront\r\n\r\n%s",
			 status, status == 200 ? "OK" : "Error", strlen(text), text);

	secure_write(c->secure, (uint8_t *)reply, (size_t)n);
}

static int connect_backend(struct connection *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)options.backend_port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	c->backend.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->backend.fd < 0 || connect(c->backend.fd, (struct sockaddr *)&to, sizeof to) < 0)
		return -1;
	watch(&c->backend, EPOLLIN, EPOLL_CTL_ADD);
	return 0;
}

/* forward sends a whole request on to the backend, or answers it itself. */
static void forward(struct connection *c)
{
	char statistics[256];

	note("%s %s %s %.*s", c->peer, secure_server_name(c->secure), secure_suite_name(c->secure),
	     (int)strcspn(c->request, "\r\n"), c->request);
	if (!strncmp(c->request, "GET /front-status ", 18)) {
		secure_context_statistics(context, statistics, sizeof statistics);
		answer(c, 200, statistics);
		return;
	}
	if (c->backend.fd < 0 && connect_backend(c) < 0)
		answer(c, 503, "no backend\n");
	else if (send(c->backend.fd, c->request, c->request_size, MSG_NOSIGNAL) < 0)
		answer(c, 502, "backend went away\n");
}

/* request_length is how long the first request in the buffer is, head and body; 0 if not all is there. */
static size_t request_length(const struct connection *c)
{
	const char *head_end = memmem(c->request, c->request_size, "\r\n\r\n", 4);
	const char *length;
	size_t n;

	if (!head_end)
		return 0;
	n = (size_t)(head_end - c->request) + 4;
	length = memmem(c->request, n, "\r\nContent-Length: ", 18);
	if (length)
		n += strtoul(length + 18, NULL, 10);
	return n <= c->request_size ? n : 0;
}

static int read_requests(struct connection *c)
{
	enum secure_result result;
	const uint8_t *plain;
	size_t n;

	while ((result = secure_read(c->secure, &plain, &n)) == SECURE_READY) {
		if (c->request_size + n > sizeof c->request - 1)
			return -1;
		memcpy(c->request + c->request_size, plain, n);
		c->request_size += n;
		c->request[c->request_size] = '\0';
		if (request_length(c)) {
			forward(c);
			c->request_size = 0;
		}
	}
	if (result == SECURE_CLOSED)
		return -1;
	c->closing = result == SECURE_FAILED;
	return flush(c);
}

static int from_client(struct connection *c)
{
	enum secure_result result;
	size_t room;
	uint8_t *into = secure_input(c->secure, &room);
	ssize_t n = recv(c->client.fd, into, room, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	if (n == 0)
		return -1;
	secure_received(c->secure, (size_t)n);
	if (!c->established) {
		result = secure_accept(c->secure);
		if (result == SECURE_CLOSED)
			return -1;
		c->closing = result == SECURE_FAILED;
		if (c->closing)
			note("%s handshake refused", c->peer);
		c->established = result == SECURE_READY;
		if (!c->established)
			return flush(c);
	}
	return read_requests(c);
}

static int from_backend(struct connection *c)
{
	uint8_t reply[8192];
	ssize_t n = recv(c->backend.fd, reply, sizeof reply, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	if (n == 0) {
		close(c->backend.fd);
		c->backend.fd = -1;
		return 0;
	}
	secure_write(c->secure, reply, (size_t)n);
	return flush(c);
}

static void accept_connection(int listener)
{
	struct sockaddr_in from;
	socklen_t size = sizeof from;
	struct connection *c;
	int on = 1, fd = accept4(listener, (struct sockaddr *)&from, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	c = calloc(1, sizeof *c);
	if (!c || !(c->secure = secure_new(context))) {
		free(c);
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	snprintf(c->peer, sizeof c->peer, "%s:%d", inet_ntoa(from.sin_addr), ntohs(from.sin_port));
	c->client = (struct side){ c, fd };
	c->backend = (struct side){ c, -1 };
	c->opened = time(NULL);
	c->next = connections;
	c->link = &connections;
	if (c->next)
		c->next->link = &c->next;
	connections = c;
	watch(&c->client, EPOLLIN, EPOLL_CTL_ADD);
}

static void handle(struct side *side, uint32_t events)
{
	struct connection *c = side->of;
	int over;

	if (side == &c->backend)
		over = from_backend(c) < 0;
	else if (events & EPOLLOUT)
		over = flush(c) < 0;
	else
		over = from_client(c) < 0;
	if (over)
		close_connection(c);
}

/* expire closes the connections that never finished their handshake. */
static void expire(void)
{
	struct connection *c, *next;

	for (c = connections; c; c = next) {
		next = c->next;
		if (!c->established && time(NULL) - c->opened > HANDSHAKE_SECONDS)
			close_connection(c);
	}
}

static void run(int listener)
{
	struct epoll_event event;
	struct side listening = { NULL, listener };

	watch(&listening, EPOLLIN, EPOLL_CTL_ADD);
	for (;;) {
		/* One at a time: closing a connection may end a side whose event is still to come. */
		int n = epoll_wait(loop, &event, 1, 1000);
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		if (n == 1 && event.data.ptr == &listening)
			accept_connection(listener);
		else if (n == 1)
			handle(event.data.ptr, event.events);
		else
			expire();
	}
}

static int listen_on(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 128) < 0)
		die("listening");
	return fd;
}

static void lock_in(void)
{
	if (options.root && (chroot(options.root) < 0 || chdir("/") < 0))
		die(options.root);
	if (setgroups(0, NULL) < 0 || setgid((gid_t)options.uid) < 0 || setuid((uid_t)options.uid) < 0)
		die("giving up privileges");
}

static void read_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "p:b:c:k:r:u:l:")) != -1) {
		switch (option) {
		case 'p': options.port = atoi(optarg); break;
		case 'b': options.backend_port = atoi(optarg); break;
		case 'c': options.certificate = optarg; break;
		case 'k': options.keytab = optarg; break;
		case 'r': options.root = optarg; break;
		case 'u': options.uid = atoi(optarg); break;
		case 'l': options.log = optarg; break;
		default: exit(64);
		}
	}
	if (!options.certificate) {
		fprintf(stderr, "usage: tlsfront -c CERTIFICATE [-k KEYTAB] [-r ROOT] [-p PORT] [-b BACKEND-PORT] [-u UID] [-l LOG]\n");
		exit(64);
	}
}

int main(int argc, char **argv)
{
	int listener;

	read_options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	journal = options.log ? fopen(options.log, "ae") : stderr;
	if (!journal)
		die(options.log);
	context = secure_context_new(options.keytab ? options.keytab : "/etc/krb5.keytab");
	if (!context || secure_context_certificate(context, options.certificate) < 0)
		die(options.certificate);
	loop = epoll_create1(EPOLL_CLOEXEC);
	listener = listen_on(options.port);
	lock_in();
	note("serving on port %d", options.port);
	run(listener);
}
