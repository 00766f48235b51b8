/* dnsd: a caching forwarder for an office. Questions come in over UDP, go to one upstream server from
 * a port of their own each, and the answers are checked, kept and passed on. */
#include "archive_rr.h"
#include "libcache.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEADER = 12, MESSAGE = 4096, PENDING = 128, PATIENCE = 10 };

/* A pending question: who asked, and the socket on which the upstream will answer. */
struct pending {
	int fd;
	struct sockaddr_in client;
	uint16_t id, upstream_id, type;
	char name[RR_NAME + 1];
	time_t since;
};

static struct pending pending[PENDING];
static struct cache *cache;
static int listener;
static struct sockaddr_in upstream;
static unsigned long asked, cached, answered, dropped;

static uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* parse_question finds the one question of a message; gives the offset behind it, or 0. */
static size_t parse_question(const uint8_t *message, size_t size, char *name, uint16_t *type)
{
	size_t at = HEADER;

	if (size < HEADER || get16(message + 4) != 1 || !rr_name(message, size, &at, name) || at + 4 > size)
		return 0;
	*type = get16(message + at);
	return at + 4;
}

static void reply(const struct sockaddr_in *to, const uint8_t *message, size_t size)
{
	sendto(listener, message, size, 0, (const struct sockaddr *)to, sizeof *to);
	answered++;
}

/* refuse answers a question with an error code and nothing else. */
static void refuse(const struct sockaddr_in *to, uint8_t *message, size_t size, uint8_t code)
{
	message[2] |= 0x80;
	message[3] = (uint8_t)(0x80 | code);
	reply(to, message, size);
}

static struct pending *free_slot(void)
{
	for (size_t i = 0; i < PENDING; i++)
		if (pending[i].fd < 0)
			return &pending[i];
	return NULL;
}

static void forget(struct pending *p)
{
	close(p->fd);
	p->fd = -1;
}

/* forward sends a question to the upstream, under another id. */
static int forward(struct pending *p, uint8_t *message, size_t size)
{
	p->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->fd < 0)
		return -1;
	if (getrandom(&p->upstream_id, sizeof p->upstream_id, 0) < 0)
		p->upstream_id = (uint16_t)asked;
	put16(message, p->upstream_id);
	if (connect(p->fd, (struct sockaddr *)&upstream, sizeof upstream) < 0 || send(p->fd, message, size, 0) < 0) {
		forget(p);
		return -1;
	}
	return 0;
}

/* from_client takes a question: from the cache, or on to the upstream. */
static void from_client(void)
{
	uint8_t message[MESSAGE], known[MESSAGE];
	struct sockaddr_in client;
	socklen_t length = sizeof client;
	ssize_t size = recvfrom(listener, message, sizeof message, 0, (struct sockaddr *)&client, &length);
	struct pending *p;
	size_t n;

	if (size < HEADER || message[2] & 0x80) {
		dropped++;
		return;
	}
	asked++;
	if ((message[2] >> 3 & 0xf) != 0) {
		refuse(&client, message, (size_t)size, 4);
		return;
	}
	p = free_slot();
	if (!p) {
		refuse(&client, message, (size_t)size, 2);
		return;
	}
	if (!parse_question(message, (size_t)size, p->name, &p->type)) {
		refuse(&client, message, (size_t)size, 1);
		return;
	}
	n = cache_get(cache, p->name, p->type, known, sizeof known);
	if (n) {
		cached++;
		memcpy(known, message, 2);
		reply(&client, known, n);
		return;
	}
	p->client = client;
	p->id = get16(message);
	p->since = time(NULL);
	if (forward(p, message, (size_t)size) < 0)
		refuse(&client, message, (size_t)size, 2);
}

/* keep puts a sound answer into the cache, for as long as its shortest-lived record allows. */
static void keep(const struct pending *p, const uint8_t *message, size_t size)
{
	uint16_t count = get16(message + 6), type;
	char name[RR_NAME + 1];
	uint32_t ttl = 3600;
	struct rr rr;
	size_t at = parse_question(message, size, name, &type);

	if (!at || type != p->type)
		return;
	for (uint16_t i = 0; i < count; i++) {
		if (!rr_read(message, size, &at, &rr))
			return;
		if (rr.ttl < ttl)
			ttl = rr.ttl;
	}
	if (count && ttl)
		cache_put(cache, p->name, p->type, message, size, time(NULL) + ttl);
}

/* from_upstream passes an answer on to the client who waits for it. */
static void from_upstream(struct pending *p)
{
	uint8_t message[MESSAGE];
	ssize_t size = recv(p->fd, message, sizeof message, 0);

	if (size < HEADER || get16(message) != p->upstream_id || !(message[2] & 0x80)) {
		dropped++;
		return;
	}
	if (!(message[2] & 0x02) && (message[3] & 0xf) == 0) /* whole and without error */
		keep(p, message, (size_t)size);
	put16(message, p->id);
	reply(&p->client, message, (size_t)size);
	forget(p);
}

static void expire(void)
{
	for (size_t i = 0; i < PENDING; i++)
		if (pending[i].fd >= 0 && time(NULL) - pending[i].since > PATIENCE)
			forget(&pending[i]);
}

static void run(void)
{
	struct pollfd fds[PENDING + 1];
	struct pending *of[PENDING + 1];

	for (;;) {
		nfds_t n = 1;
		fds[0] = (struct pollfd){ listener, POLLIN, 0 };
		for (size_t i = 0; i < PENDING; i++) {
			if (pending[i].fd < 0)
				continue;
			fds[n] = (struct pollfd){ pending[i].fd, POLLIN, 0 };
			of[n++] = &pending[i];
		}
		if (poll(fds, n, 1000) < 0 && errno != EINTR)
			return;
		for (nfds_t i = 1; i < n; i++)
			if (fds[i].revents)
				from_upstream(of[i]);
		if (fds[0].revents)
			from_client();
		expire();
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };

	if (argc != 4 || inet_pton(AF_INET, argv[1], &at.sin_addr) != 1 || inet_pton(AF_INET, argv[3], &upstream.sin_addr) != 1) {
		fprintf(stderr, "usage: dnsd ADDRESS PORT UPSTREAM\n");
		return 64;
	}
	at.sin_port = htons((uint16_t)atoi(argv[2]));
	upstream.sin_family = AF_INET;
	upstream.sin_port = htons(53);
	for (size_t i = 0; i < PENDING; i++)
		pending[i].fd = -1;
	cache = cache_new(4096);
	listener = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (!cache || listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof at) < 0) {
		perror("dnsd");
		return 1;
	}
	run();
	perror("dnsd");
	return 1;
}
