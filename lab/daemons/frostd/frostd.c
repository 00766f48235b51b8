/* frostd: remembers what freezers measure, and calls for help when one thaws. Frames are libframe's:
 *
 *	HELLO  1 name                                        a session, whose number all later frames carry
 *	PUT    1 sensor  2 time  3 every  4 temperatures     the last are varints, differences in zigzag
 *	QUERY  1 sensor  2 from  3 every  4 newest  5 limit  points: times and temperatures in the same way
 *	ALARM  1 sensor  2 limit                             answered when it is warmer than that
 *	RESUME 1 name                                        takes a session over from a lost connection
 *	LIST   sensors
 *	BYE
 *
 * Sequence numbers rise within a session. Some threads share all connections. */
#define _GNU_SOURCE
#include "libcurve.h"
#include "libframe.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { THREADS = 3, SENSORS = 128, SESSIONS = 4096, NAME = 40, LIMIT = 96, INPUT = 2 * FRAME_MOST, DEGREE = 100 };

enum problem { BAD_SESSION = 1, BAD_SEQUENCE, BAD_FIELD, NO_SENSOR, BAD_KIND, FULL };

struct session {
	uint32_t number, last; /* the last sequence number */
	char name[NAME];
};

struct client {
	struct client *next, **here;
	int fd;
	uint32_t alarm_sequence, alarm_session, alarm_sensor; /* what it waits for, if there is a sequence number */
	int32_t alarm_limit;
	size_t size;
	uint8_t input[INPUT];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all that follows */
static struct client *clients;
static struct session sessions[SESSIONS];
static size_t session_count;
static struct curve curves[SENSORS];
static size_t curve_count;
static int queue, listener;

static void answer(const struct client *c, const struct frame *to, uint8_t kind, const struct draft *d)
{
	uint8_t whole[FRAME_MOST + 32];

	send(c->fd, whole, draft_finish(d, whole, kind, to->sequence, to->session), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void refuse(const struct client *c, const struct frame *to, enum problem why)
{
	struct draft d = { .size = 0 };

	draft_value(&d, 1, why);
	answer(c, to, KIND_ERROR, &d);
}

static uint32_t zigzag(int32_t v) { return (uint32_t)v << 1 ^ (uint32_t)(v >> 31); }

static int32_t unzigzag(uint32_t v) { return (int32_t)(v >> 1) ^ -(int32_t)(v & 1); }

static struct curve *curve_of(uint32_t sensor)
{
	for (size_t i = 0; i < curve_count; i++)
		if (curves[i].sensor == sensor)
			return &curves[i];
	return NULL;
}

/* raise_alarms tells those who wait for a sensor to be too warm. */
static void raise_alarms(const struct curve *curve, int32_t temperature)
{
	for (struct client *c = clients; c; c = c->next) {
		struct frame to = { .sequence = c->alarm_sequence, .session = c->alarm_session };
		struct draft d = { .size = 0 };
		if (!c->alarm_sequence || c->alarm_sensor != curve->sensor || temperature <= c->alarm_limit)
			continue;
		c->alarm_sequence = 0;
		draft_value(&d, 1, curve->sensor);
		draft_value(&d, 2, zigzag(temperature));
		answer(c, &to, KIND_ALARM | KIND_ANSWER, &d);
	}
}

static void hello(const struct client *c, struct frame *f)
{
	const struct field *name = frame_field(f, 1);
	struct session *s = &sessions[session_count];
	struct draft d = { .size = 0 };

	if (!name || !name->bytes || name->value >= NAME) {
		refuse(c, f, BAD_FIELD);
		return;
	}
	if (session_count == SESSIONS) {
		refuse(c, f, FULL);
		return;
	}
	session_count++;
	s->number = (uint32_t)session_count * 2654435761u;
	s->last = f->sequence;
	memcpy(s->name, name->bytes, name->value);
	f->session = s->number;
	draft_value(&d, 1, (uint32_t)curve_count);
	answer(c, f, KIND_HELLO | KIND_ANSWER, &d);
}

static void put(const struct client *c, const struct frame *f)
{
	const struct field *values = frame_field(f, 4);
	uint32_t sensor = frame_value(f, 1, 0), time = frame_value(f, 2, 0), every = frame_value(f, 3, 60), next;
	struct curve *curve = curve_of(sensor);
	struct draft d = { .size = 0 };
	int32_t temperature = 0;

	if (!sensor || !values || !values->bytes) {
		refuse(c, f, BAD_FIELD);
		return;
	}
	if (!curve && curve_count < SENSORS) {
		curve = &curves[curve_count++];
		curve->sensor = sensor;
	}
	if (!curve) {
		refuse(c, f, FULL);
		return;
	}
	for (size_t at = 0; varint_read(values->bytes, values->value, &at, &next); time += every) {
		temperature = (int32_t)((uint32_t)temperature + (uint32_t)unzigzag(next));
		if (curve_add(curve, time, temperature))
			raise_alarms(curve, temperature);
	}
	draft_value(&d, 1, curve->count);
	answer(c, f, KIND_PUT | KIND_ANSWER, &d);
}

static void query(const struct client *c, const struct frame *f)
{
	const struct curve *curve = curve_of(frame_value(f, 1, 0));
	struct view view = {
		.from = frame_value(f, 2, 0),
		.every = frame_value(f, 3, 1),
		.limit = frame_value(f, 5, LIMIT),
	};
	struct point points[LIMIT];
	struct draft d = { .size = 0 };
	size_t n;

	if (!curve) {
		refuse(c, f, NO_SENSOR);
		return;
	}
	if (!view.every || view.limit > LIMIT) {
		refuse(c, f, BAD_FIELD);
		return;
	}
	n = (frame_value(f, 4, 0) ? curve_backward : curve_forward)(curve, &view, points);
	for (size_t i = 0; i < n; i++) {
		draft_value(&d, 2, points[i].time);
		draft_value(&d, 4, zigzag(points[i].temperature));
	}
	answer(c, f, KIND_QUERY | KIND_ANSWER, &d);
}

static void list_sensors(const struct client *c, const struct frame *f)
{
	struct draft d = { .size = 0 };

	for (size_t i = 0; i < curve_count; i++)
		draft_value(&d, 1, curves[i].sensor);
	answer(c, f, KIND_LIST | KIND_ANSWER, &d);
}

/* resume finds the session that a frame continues by another connection: only its owner knows both parts. */
static void resume(const struct client *c, const struct frame *f, const struct session *s)
{
	const struct field *name = frame_field(f, 1);
	struct draft d = { .size = 0 };

	if (!name || !name->bytes || name->value != strlen(s->name) || memcmp(name->bytes, s->name, name->value)) {
		refuse(c, f, BAD_SESSION);
		return;
	}
	draft_value(&d, 1, s->last);
	answer(c, f, KIND_RESUME | KIND_ANSWER, &d);
}

static void await_alarm(struct client *c, const struct frame *f)
{
	c->alarm_sequence = f->sequence;
	c->alarm_session = f->session;
	c->alarm_sensor = frame_value(f, 1, 0);
	c->alarm_limit = unzigzag(frame_value(f, 2, zigzag(-15 * DEGREE)));
}

/* obey carries out one frame; 0 if it was the last. */
static int obey(struct client *c, struct frame *f)
{
	struct session *s = NULL;

	if (f->kind == KIND_HELLO) {
		hello(c, f);
		return 1;
	}
	for (size_t i = 0; i < session_count && !s; i++)
		if (sessions[i].number == f->session)
			s = &sessions[i];
	if (!s || f->sequence <= s->last) {
		refuse(c, f, s ? BAD_SEQUENCE : BAD_SESSION);
		return 1;
	}
	s->last = f->sequence;
	switch (f->kind) {
	case KIND_PUT:
		put(c, f);
		return 1;
	case KIND_QUERY:
		query(c, f);
		return 1;
	case KIND_ALARM:
		await_alarm(c, f);
		return 1;
	case KIND_RESUME:
		resume(c, f, s);
		return 1;
	case KIND_LIST:
		list_sensors(c, f);
		return 1;
	case KIND_BYE:
		return 0;
	}
	refuse(c, f, BAD_KIND);
	return 1;
}

/* from_client takes what has come; 0 if the client is gone. */
static int from_client(struct client *c)
{
	ssize_t n = recv(c->fd, c->input + c->size, INPUT - c->size, MSG_DONTWAIT);
	struct frame f;
	long size;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 1;
	if (n <= 0)
		return 0;
	c->size += (size_t)n;
	while ((size = frame_read(c->input, c->size, &f)) > 0) {
		if (!obey(c, &f))
			return 0;
		c->size -= (size_t)size;
		memmove(c->input, c->input + size, c->size);
	}
	return size == 0;
}

static void welcome(void)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct client *c = fd < 0 ? NULL : calloc(1, sizeof *c);
	struct epoll_event e = { .events = EPOLLIN | EPOLLONESHOT, .data.ptr = c };

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
	epoll_ctl(queue, EPOLL_CTL_ADD, fd, &e);
}

static void leave(struct client *c)
{
	close(c->fd);
	*c->here = c->next;
	if (c->next)
		c->next->here = c->here;
	free(c);
}

/* work is what each thread does: an event comes to one of them, and no other for the same until it is done. */
static void *work(void *unused)
{
	struct epoll_event e;

	(void)unused;
	for (;;) {
		struct client *c;
		int fd;
		if (epoll_wait(queue, &e, 1, -1) != 1)
			continue;
		c = e.data.ptr;
		pthread_mutex_lock(&lock);
		fd = c ? c->fd : listener;
		e.events = EPOLLIN | EPOLLONESHOT;
		if (!c)
			welcome();
		if (c && !from_client(c))
			leave(c);
		else
			epoll_ctl(queue, EPOLL_CTL_MOD, fd, &e);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	struct epoll_event first = { .events = EPOLLIN | EPOLLONESHOT, .data.ptr = NULL };
	pthread_t thread;
	int on = 1;

	if (argc != 2) {
		fprintf(stderr, "usage: frostd PORT\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	queue = epoll_create1(EPOLL_CLOEXEC);
	at.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 128) < 0) {
		perror("frostd");
		return 1;
	}
	epoll_ctl(queue, EPOLL_CTL_ADD, listener, &first);
	for (size_t i = 1; i < THREADS; i++)
		if (pthread_create(&thread, NULL, work, NULL))
			return 71;
	work(NULL);
}
