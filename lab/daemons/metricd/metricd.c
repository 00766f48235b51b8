/* metricd: gathers metrics. Clients send lines over TCP:
 *
 *	name:value|type[|@rate][|#tag:value,...]     a sample; type is c, g, ms, h or s; no answer
 *	sync | get KEY | stats | watch KEY | quit    answered with one line; watch when the next sample comes
 *
 * The main thread accepts, workers read, and the reporter writes all series to a file now and then. */
#define _GNU_SOURCE
#include "libseries.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 3, CONNECTIONS = 128, LINE = 4096, ROWS = 1021, WATCHERS = 64 };

struct connection {
	int fd;
	char input[LINE];
	size_t size;
	unsigned long samples; /* since the last sync */
};

/* A worker and its connections; new ones come through a pipe. */
struct worker {
	int inbox[2];
	struct connection connections[CONNECTIONS];
};

/* Who wants to be told of a series' next sample. */
struct watcher {
	int fd;
	char key[512];
};

static struct worker workers[WORKERS];
static struct watcher watchers[WATCHERS];
static struct series_table *table;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of table, watchers and counts */
static unsigned long accepted, samples, refused;
static const char *report_path;
static int report_every, idle_after;

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

__attribute__((format(printf, 2, 3))) static void tell(int fd, const char *format, ...)
{
	char text[LINE];
	va_list list;
	int n;

	va_start(list, format);
	n = vsnprintf(text, sizeof text, format, list);
	va_end(list);
	if (n >= (int)sizeof text)
		n = sizeof text - 1;
	send(fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* notify tells those who watch a series. */
static void notify(const char *key, double value)
{
	for (size_t i = 0; i < WATCHERS; i++) {
		if (watchers[i].fd < 0 || strcmp(watchers[i].key, key))
			continue;
		tell(watchers[i].fd, "SAMPLE %g\n", value);
		watchers[i].fd = -1;
	}
}

static void watch(int fd, const char *key)
{
	for (size_t i = 0; i < WATCHERS; i++) {
		if (watchers[i].fd >= 0)
			continue;
		watchers[i].fd = fd;
		snprintf(watchers[i].key, sizeof watchers[i].key, "%s", key);
		return;
	}
	tell(fd, "NO too many watchers\n");
}

static int known_type(const char *type)
{
	static const char *const types[] = { "c", "g", "ms", "h", "s" };

	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (!strcmp(types[i], type))
			return 1;
	return 0;
}

/* sample takes one measurement; 0 if the line isn't one. */
static int sample(char *line)
{
	char key[LINE + 4], *name = strsep(&line, ":"), *number, *type, *part, *end;
	const char *tag_text = "";
	double value, rate = 1;
	struct tags tags;
	struct series *s;

	number = strsep(&line, "|");
	type = strsep(&line, "|");
	if (!*name || !type || !known_type(type))
		return 0;
	value = strtod(number, &end);
	if (end == number || *end)
		return 0;
	while ((part = strsep(&line, "|"))) {
		if (*part == '@')
			rate = strtod(part + 1, NULL);
		else if (*part == '#')
			tag_text = part + 1;
	}
	if (!tags_parse(&tags, tag_text) || rate <= 0 || rate > 1)
		return 0;
	snprintf(key, sizeof key, "%s|%s|#%s", name, type, tag_text);
	s = series_find(table, key);
	if (!s)
		s = series_new(table, key, &tags);
	if (!s)
		return 0;
	series_add(s, *type == 'c' ? value / rate : value, now_ms());
	notify(key, value);
	return 1;
}

static void get(int fd, const char *key)
{
	const struct series *s = series_find(table, key);

	if (s)
		tell(fd, "OK %lu %g\n", s->count, s->sum);
	else
		tell(fd, "NO such series\n");
}

static void leave(struct connection *c)
{
	for (size_t i = 0; i < WATCHERS; i++)
		if (watchers[i].fd == c->fd)
			watchers[i].fd = -1;
	close(c->fd);
	c->fd = -1;
	c->size = 0;
	c->samples = 0;
}

/* obey carries out one line. */
static void obey(struct connection *c, char *line)
{
	if (!strcmp(line, "sync")) {
		tell(c->fd, "OK %lu\n", c->samples);
		c->samples = 0;
	} else if (!strncmp(line, "get ", 4)) {
		get(c->fd, line + 4);
	} else if (!strcmp(line, "stats")) {
		tell(c->fd, "OK accepted %lu samples %lu refused %lu\n", accepted, samples, refused);
	} else if (!strncmp(line, "watch ", 6)) {
		watch(c->fd, line + 6);
	} else if (!strcmp(line, "quit")) {
		leave(c);
	} else if (strchr(line, '|') && strchr(line, ':') && sample(line)) {
		c->samples++;
		samples++;
	} else {
		refused++;
		tell(c->fd, "NO such command\n");
	}
}

static void from_client(struct connection *c)
{
	ssize_t n = recv(c->fd, c->input + c->size, LINE - c->size, 0);
	char *newline;

	pthread_mutex_lock(&lock);
	if (n <= 0)
		leave(c);
	else
		c->size += (size_t)n;
	while (c->fd >= 0 && (newline = memchr(c->input, '\n', c->size))) {
		*newline = '\0';
		obey(c, c->input);
		if (c->fd < 0)
			break;
		c->size -= (size_t)(newline + 1 - c->input);
		memmove(c->input, newline + 1, c->size);
	}
	if (c->size == LINE)
		leave(c);
	pthread_mutex_unlock(&lock);
}

/* welcome takes over a connection that the main thread has accepted. */
static void welcome(struct worker *w)
{
	int fd;

	if (read(w->inbox[0], &fd, sizeof fd) != sizeof fd)
		return;
	for (size_t i = 0; i < CONNECTIONS; i++) {
		if (w->connections[i].fd >= 0)
			continue;
		w->connections[i].fd = fd;
		return;
	}
	close(fd);
}

static void *work(void *argument)
{
	struct worker *w = argument;
	struct pollfd fds[CONNECTIONS + 1];

	for (;;) {
		for (size_t i = 0; i < CONNECTIONS; i++)
			fds[i] = (struct pollfd){ w->connections[i].fd, POLLIN, 0 };
		fds[CONNECTIONS] = (struct pollfd){ w->inbox[0], POLLIN, 0 };
		if (poll(fds, CONNECTIONS + 1, -1) < 0 && errno != EINTR)
			return NULL;
		for (size_t i = 0; i < CONNECTIONS; i++)
			if (fds[i].revents)
				from_client(&w->connections[i]);
		if (fds[CONNECTIONS].revents)
			welcome(w);
	}
}

/* tend reports one series, and makes it small if nothing has come for it in a while. */
static void tend(struct series *s, void *report)
{
	series_report(s, report);
	if (now_ms() - s->seen >= idle_after)
		series_trim(s);
}

static void *report(void *unused)
{
	(void)unused;
	for (;;) {
		struct timespec pause = { report_every / 1000, report_every % 1000 * 1000000L };
		FILE *to;
		nanosleep(&pause, NULL);
		to = fopen(report_path, "we");
		if (!to)
			continue;
		pthread_mutex_lock(&lock);
		series_each(table, tend, to);
		pthread_mutex_unlock(&lock);
		fclose(to);
	}
	return NULL;
}

static int start_threads(void)
{
	pthread_t thread;

	for (size_t i = 0; i < WORKERS; i++) {
		for (size_t j = 0; j < CONNECTIONS; j++)
			workers[i].connections[j].fd = -1;
		if (pipe(workers[i].inbox) < 0 || pthread_create(&thread, NULL, work, &workers[i]))
			return -1;
	}
	return pthread_create(&thread, NULL, report, NULL) ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc != 5) {
		fprintf(stderr, "usage: metricd PORT REPORT REPORT-EVERY-MS IDLE-AFTER-MS\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	report_path = argv[2];
	report_every = atoi(argv[3]);
	idle_after = atoi(argv[4]);
	table = series_table_new(ROWS);
	for (size_t i = 0; i < WATCHERS; i++)
		watchers[i].fd = -1;
	if (!table || start_threads() < 0)
		return 71;
	at.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 128) < 0) {
		perror("metricd");
		return 1;
	}
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		if (write(workers[accepted++ % WORKERS].inbox[1], &fd, sizeof fd) != sizeof fd)
			close(fd);
	}
}
