/* formd: takes forms over HTTP.
 *
 *	GET /                  a page
 *	GET /count             how many forms came to this worker
 *	GET /next/NAME         answered when that form is sent in the next time
 *	POST /form/NAME        a form, urlencoded
 *
 * A master starts workers and replaces those that end. Each worker has a listening socket of its own,
 * and the kernel brings a client always to the same one, by its address. */
#define _GNU_SOURCE
#include "libform.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 4, CONNECTIONS = 192, HEAD = 4096, READ = 2048, FIELDS = 32, VALUE = 512, PATH = 128 };

struct field {
	char name[FORM_NAME];
	char value[VALUE];
	size_t size;
};

/* A connection and the request that comes on it. */
struct connection {
	int fd;
	char head[HEAD];
	size_t head_size;
	char path[PATH];
	char waits_for[PATH]; /* the form whose next sending it wants to know of */
	size_t body_left;     /* of a form's body */
	int in_body;
	int last, done; /* its client wants no further answers; the last is sent */
	struct form form;
	struct field field[FIELDS];
	size_t fields;
};

static int listeners[WORKERS];
static struct connection connections[CONNECTIONS];
static unsigned long forms;

__attribute__((format(printf, 3, 4))) static void answer(struct connection *c, const char *status, const char *format, ...)
{
	char text[2048], whole[4096];
	va_list list;
	int n;

	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	n = snprintf(whole, sizeof whole, "HTTP/1.1 %s\r\nContent-Type: text/html\r\nContent-Length: %zu\r\n%s\r\n%s", status,
	             strlen(text), c->last ? "Connection: close\r\n" : "", text);
	send(c->fd, whole, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	c->done = c->last;
}

static void leave(struct connection *c)
{
	close(c->fd);
	c->fd = -1;
}

static void refuse(struct connection *c, const char *status, const char *why)
{
	c->last = 1;
	answer(c, status, "<p>%s</p>\n", why);
}

/* form's callbacks: a field's name, and pieces of its value. */
static void field_name(void *context, const char *name, size_t size)
{
	struct connection *c = context;
	struct field *f = &c->field[c->fields];

	if (c->fields == FIELDS)
		return;
	c->fields++;
	if (size >= sizeof f->name)
		size = sizeof f->name - 1;
	memcpy(f->name, name, size);
	f->name[form_decode(f->name, size)] = '\0';
	f->size = 0;
}

static void field_value(void *context, const char *piece, size_t size)
{
	struct connection *c = context;
	struct field *f = &c->field[c->fields - 1];

	if (!c->fields)
		return;
	if (size > sizeof f->value - f->size)
		size = sizeof f->value - f->size;
	memcpy(f->value + f->size, piece, size);
	f->size += size;
}

/* wake tells those who wait for a form. */
static void wake(const char *name, size_t fields)
{
	for (size_t i = 0; i < CONNECTIONS; i++) {
		struct connection *c = &connections[i];
		if (c->fd < 0 || !*c->waits_for || strcmp(c->waits_for, name))
			continue;
		c->waits_for[0] = '\0';
		answer(c, "200 OK", "<p>%s: %zu fields</p>\n", name, fields);
		if (c->done)
			leave(c);
	}
}

static void finish_form(struct connection *c)
{
	size_t most = 0;

	c->in_body = 0;
	form_end(&c->form);
	for (size_t i = 0; i < c->fields; i++) {
		c->field[i].size = form_decode(c->field[i].value, c->field[i].size);
		if (c->field[i].size > most)
			most = c->field[i].size;
	}
	forms++;
	wake(c->path + strlen("/form/"), c->fields);
	answer(c, "200 OK", "<p>thank you: %zu fields, the longest has %zu bytes</p>\n", c->fields, most);
}

static void start_form(struct connection *c, const char *head)
{
	const char *length = strcasestr(head, "\r\nContent-Length:");

	if (!length || strncmp(c->path, "/form/", 6)) {
		refuse(c, length ? "404 Not Found" : "411 Length Required", "no form");
		return;
	}
	c->body_left = strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
	c->form = (struct form){ .name = field_name, .value = field_value, .context = c };
	c->fields = 0;
	c->in_body = 1;
	if (!c->body_left)
		finish_form(c);
}

/* request begins with a whole head. */
static void request(struct connection *c, const char *head)
{
	char method[8];

	if (sscanf(head, "%7s %127s HTTP/1.", method, c->path) != 2) {
		refuse(c, "400 Bad Request", "no request");
		return;
	}
	c->last = strcasestr(head, "\r\nConnection: close") != NULL;
	if (!strcmp(method, "POST"))
		start_form(c, head);
	else if (strcmp(method, "GET"))
		refuse(c, "501 Not Implemented", "no such method");
	else if (!strncmp(c->path, "/next/", 6))
		strcpy(c->waits_for, c->path + 6);
	else if (!strcmp(c->path, "/count"))
		answer(c, "200 OK", "<p>%lu</p>\n", forms);
	else if (!strcmp(c->path, "/"))
		answer(c, "200 OK", "<form method=post action=/form/contact><input name=name><input name=text></form>\n");
	else
		answer(c, "404 Not Found", "<p>nothing here</p>\n");
}

/* take_head gathers a request's head; returns how many bytes were of it. */
static size_t take_head(struct connection *c, const char *data, size_t size)
{
	size_t before = c->head_size, room = HEAD - 1 - before, n = size < room ? size : room;
	char *end;

	memcpy(c->head + before, data, n);
	c->head_size += n;
	c->head[c->head_size] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	if (end) {
		n = (size_t)(end + 4 - c->head) - before;
		end[2] = '\0';
		c->head_size = 0;
		request(c, c->head);
	} else if (c->head_size == HEAD - 1) {
		refuse(c, "431 Request Header Fields Too Large", "too much");
	}
	return n;
}

static size_t take_body(struct connection *c, const char *data, size_t size)
{
	size_t n = size < c->body_left ? size : c->body_left;

	form_feed(&c->form, data, n);
	c->body_left -= n;
	if (c->form.error)
		refuse(c, "400 Bad Request", c->form.error);
	else if (!c->body_left)
		finish_form(c);
	return n;
}

static void from_client(struct connection *c)
{
	char data[READ];
	ssize_t size = recv(c->fd, data, sizeof data, MSG_DONTWAIT);

	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	for (ssize_t at = 0; at < size && !c->done;)
		at += (ssize_t)(c->in_body ? take_body : take_head)(c, data + at, (size_t)(size - at));
	if (size <= 0 || c->done)
		leave(c);
}

static void welcome(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < CONNECTIONS; i++) {
		if (connections[i].fd >= 0)
			continue;
		memset(&connections[i], 0, sizeof connections[i]);
		connections[i].fd = fd;
		return;
	}
	if (fd >= 0)
		close(fd);
}

static void work(int listener)
{
	struct pollfd fds[CONNECTIONS + 1];

	for (size_t i = 0; i < CONNECTIONS; i++)
		connections[i].fd = -1;
	for (;;) {
		fds[CONNECTIONS] = (struct pollfd){ listener, POLLIN, 0 };
		for (size_t i = 0; i < CONNECTIONS; i++)
			fds[i] = (struct pollfd){ connections[i].fd, POLLIN, 0 };
		if (poll(fds, CONNECTIONS + 1, -1) < 0 && errno != EINTR)
			exit(71);
		for (size_t i = 0; i < CONNECTIONS; i++)
			if (fds[i].revents)
				from_client(&connections[i]);
		if (fds[CONNECTIONS].revents)
			welcome(listener);
	}
}

static pid_t start_worker(size_t i)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	for (size_t j = 0; j < WORKERS; j++)
		if (j != i)
			close(listeners[j]);
	work(listeners[i]);
	exit(0);
}

/* listen_at opens one of the workers' sockets, all on the same port. */
static int listen_at(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	return bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 128) < 0 ? -1 : fd;
}

/* stick lets the kernel pick the socket by the client's address. */
static int stick(int fd)
{
	struct sock_filter by_address[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)SKF_NET_OFF + 12), /* the IP header's source */
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, WORKERS),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog program = { sizeof by_address / sizeof *by_address, by_address };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program);
}

int main(int argc, char **argv)
{
	pid_t pids[WORKERS], ended;

	if (argc != 2) {
		fprintf(stderr, "usage: formd PORT\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < WORKERS; i++)
		if ((listeners[i] = listen_at((uint16_t)atoi(argv[1]))) < 0) {
			perror("formd");
			return 1;
		}
	if (stick(listeners[0]) < 0) {
		perror("formd");
		return 1;
	}
	for (size_t i = 0; i < WORKERS; i++)
		pids[i] = start_worker(i);
	while ((ended = wait(NULL)) > 0 || errno == EINTR)
		for (size_t i = 0; i < WORKERS; i++)
			if (pids[i] == ended)
				pids[i] = start_worker(i);
	return 1;
}
