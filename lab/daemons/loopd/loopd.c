/* loopd: a settings service. Requests are JSON texts, one a line, over TCP. The main thread gathers
 * lines from all connections, and a few threads with small stacks do the work. */
#define _GNU_SOURCE
#include "libjson.h"

#include <arpa/inet.h>
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

enum { CONNECTIONS = 256, LINE = 131072, WORKERS = 3, WORKER_STACK = 256 * 1024, SETTINGS = 512, REPLY = 8192 };

struct connection {
	int fd;
	char *line; /* what has come of the next request */
	size_t size;
};

struct job {
	int fd; /* a copy: the connection may close meanwhile */
	char *text;
	size_t size;
	struct job *next;
};

struct setting {
	char *key;
	struct json *request; /* the tree that the value is part of */
	const struct json *value;
};

static struct connection connections[CONNECTIONS];
static struct job *jobs, **jobs_tail = &jobs;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wanted = PTHREAD_COND_INITIALIZER;
static struct setting settings[SETTINGS];
static unsigned long served;

static struct setting *find_setting(const char *key, int create)
{
	for (size_t i = 0; i < SETTINGS; i++) {
		if (settings[i].key && !strcmp(settings[i].key, key))
			return &settings[i];
		if (!settings[i].key)
			return create && (settings[i].key = strdup(key)) ? &settings[i] : NULL;
	}
	return NULL;
}

/* set_value keeps a request's value; the request's tree now belongs to the setting. */
static int set_value(struct json *request, char *reply)
{
	struct setting *s = find_setting(json_string(request, "key"), 1);

	if (!s || !json_get(request, "value")) {
		snprintf(reply, REPLY, "{\"error\":\"cannot set\"}");
		return 0;
	}
	json_free(s->request);
	s->request = request;
	s->value = json_get(request, "value");
	snprintf(reply, REPLY, "{\"ok\":true}");
	return 1;
}

static void get_value(const struct json *request, char *reply)
{
	const struct setting *s = find_setting(json_string(request, "key"), 0);

	if (s && s->value)
		json_write(s->value, reply, REPLY);
	else
		snprintf(reply, REPLY, "null");
}

static void list_keys(char *reply)
{
	size_t n = (size_t)snprintf(reply, REPLY, "[");

	for (size_t i = 0; i < SETTINGS && settings[i].key && n < REPLY - 300; i++)
		n += (size_t)snprintf(reply + n, REPLY - n, "%s\"%.200s\"", i ? "," : "", settings[i].key);
	snprintf(reply + n, REPLY - n, "]");
}

/* perform does what a request wants; 0 if it gets no answer now. */
static int perform(struct json *request, char *reply)
{
	const char *method = json_string(request, "method");
	int kept = 0, answered = 1;

	pthread_mutex_lock(&lock);
	served++;
	if (!strcmp(method, "set"))
		kept = set_value(request, reply);
	else if (!strcmp(method, "get"))
		get_value(request, reply);
	else if (!strcmp(method, "list"))
		list_keys(reply);
	else if (!strcmp(method, "echo"))
		json_write(request, reply, REPLY);
	else if (!strcmp(method, "stats"))
		snprintf(reply, REPLY, "{\"served\":%lu}", served);
	else if (!strcmp(method, "watch"))
		answered = 0; /* told when the setting changes */
	else
		snprintf(reply, REPLY, "{\"error\":\"no such method\"}");
	pthread_mutex_unlock(&lock);
	if (!kept)
		json_free(request);
	return answered;
}

static void work(struct job *job)
{
	char reply[REPLY + 1];
	const char *error;
	struct json *request = json_parse(job->text, job->size, &error);
	int answered = 1;

	if (!request)
		snprintf(reply, REPLY, "{\"error\":\"%s\"}", error ? error : "out of memory");
	else
		answered = perform(request, reply);
	if (answered) {
		strcat(reply, "\n");
		send(job->fd, reply, strlen(reply), MSG_NOSIGNAL);
	}
	close(job->fd);
	free(job->text);
	free(job);
}

static void *worker(void *unused)
{
	(void)unused;
	for (;;) {
		struct job *job;
		pthread_mutex_lock(&lock);
		while (!jobs)
			pthread_cond_wait(&wanted, &lock);
		job = jobs;
		jobs = job->next;
		if (!jobs)
			jobs_tail = &jobs;
		pthread_mutex_unlock(&lock);
		work(job);
	}
	return NULL;
}

static void hand_over(int fd, const char *text, size_t size)
{
	struct job *job = calloc(1, sizeof *job);

	if (!job || !(job->text = malloc(size + 1)))
		exit(71);
	memcpy(job->text, text, size);
	job->text[size] = '\0';
	job->size = size;
	job->fd = dup(fd);
	pthread_mutex_lock(&lock);
	*jobs_tail = job;
	jobs_tail = &job->next;
	pthread_cond_signal(&wanted);
	pthread_mutex_unlock(&lock);
}

static void close_connection(struct connection *c)
{
	close(c->fd);
	free(c->line);
	*c = (struct connection){ .fd = -1 };
}

static void from_client(struct connection *c)
{
	ssize_t n = recv(c->fd, c->line + c->size, LINE - c->size, 0);
	char *newline;

	if (n <= 0) {
		close_connection(c);
		return;
	}
	c->size += (size_t)n;
	while ((newline = memchr(c->line, '\n', c->size))) {
		size_t length = (size_t)(newline - c->line);
		hand_over(c->fd, c->line, length);
		c->size -= length + 1;
		memmove(c->line, newline + 1, c->size);
	}
	if (c->size == LINE)
		close_connection(c);
}

static void accept_client(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < CONNECTIONS; i++) {
		if (connections[i].fd >= 0)
			continue;
		connections[i] = (struct connection){ fd, malloc(LINE), 0 };
		return;
	}
	if (fd >= 0)
		close(fd);
}

static void run(int listener)
{
	struct pollfd fds[CONNECTIONS + 1];

	for (;;) {
		fds[CONNECTIONS] = (struct pollfd){ listener, POLLIN, 0 };
		for (size_t i = 0; i < CONNECTIONS; i++)
			fds[i] = (struct pollfd){ connections[i].fd, POLLIN, 0 };
		if (poll(fds, CONNECTIONS + 1, -1) < 0 && errno != EINTR)
			return;
		for (size_t i = 0; i < CONNECTIONS; i++)
			if (fds[i].revents && fds[i].fd >= 0)
				from_client(&connections[i]);
		if (fds[CONNECTIONS].revents)
			accept_client(listener);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pthread_attr_t small;
	pthread_t thread;

	if (argc != 2) {
		fprintf(stderr, "usage: loopd PORT\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < CONNECTIONS; i++)
		connections[i].fd = -1;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, WORKER_STACK);
	for (int i = 0; i < WORKERS; i++)
		if (pthread_create(&thread, &small, worker, NULL))
			return 71;
	at.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 128) < 0) {
		perror("loopd");
		return 1;
	}
	run(listener);
	return 1;
}
