/* libsecure: the server's side of TLS 1.0 to 1.2, as far as a front needs it. */
#include "libsecure.h"
#include "librealm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { RECORD_CCS = 20, RECORD_ALERT = 21, RECORD_HANDSHAKE = 22, RECORD_DATA = 23 };
enum { CLIENT_HELLO = 1, SERVER_HELLO = 2, CERTIFICATE = 11, SERVER_DONE = 14, CLIENT_KEY = 16, FINISHED = 20 };
enum { ALERT_UNEXPECTED = 10, ALERT_HANDSHAKE = 40, ALERT_DECODE = 50, ALERT_VERSION = 70 };
enum { MAX_RECORD = 16384 + 2048, MAX_HELLO = 16384, SESSIONS = 64 };

enum step { EXPECT_HELLO, EXPECT_KEY, EXPECT_CCS, EXPECT_FINISHED, ESTABLISHED };

struct suite {
	uint16_t id;
	int kerberos;
	const char *name;
};

/* The server's own order. Forward secrecy first, then single sign-on for the intranet's clients,
 * then what the oldest of the others still need. */
static const struct suite preference[] = {
	{ 0xc02f, 0, "ECDHE-RSA-AES128-GCM-SHA256" },
	{ 0xc030, 0, "ECDHE-RSA-AES256-GCM-SHA384" },
	{ 0xcca8, 0, "ECDHE-RSA-CHACHA20-POLY1305" },
	{ 0xc027, 0, "ECDHE-RSA-AES128-SHA256" },
	{ 0xc028, 0, "ECDHE-RSA-AES256-SHA384" },
	{ 0xc013, 0, "ECDHE-RSA-AES128-SHA" },
	{ 0xc014, 0, "ECDHE-RSA-AES256-SHA" },
	{ 0x009e, 0, "DHE-RSA-AES128-GCM-SHA256" },
	{ 0x0033, 0, "DHE-RSA-AES128-SHA" },
	{ 0x0039, 0, "DHE-RSA-AES256-SHA" },
	{ 0x009c, 0, "AES128-GCM-SHA256" },
	{ 0x009d, 0, "AES256-GCM-SHA384" },
	{ 0x002f, 0, "AES128-SHA" },
	{ 0x0035, 0, "AES256-SHA" },
	{ 0x000a, 0, "DES-CBC3-SHA" },
	{ 0x0005, 0, "RC4-SHA" },
	{ 0x001f, 1, "KRB5-DES-CBC3-SHA" },
	{ 0x0020, 1, "KRB5-RC4-SHA" },
	{ 0x0016, 0, "DHE-RSA-DES-CBC3-SHA" },
	{ 0x001e, 1, "KRB5-DES-CBC-SHA" },
	{ 0x0015, 0, "DHE-RSA-DES-CBC-SHA" },
	{ 0x0009, 0, "DES-CBC-SHA" },
};

struct session {
	uint8_t id[32];
	const struct suite *suite;
};

struct secure_context {
	struct realm realm;
	uint8_t certificate[4096];
	size_t certificate_size;
	struct session sessions[SESSIONS];
	unsigned next_session;
	unsigned long accepted, resumed, refused;
};

struct hello {
	uint16_t version;
	const uint8_t *random;
	const uint8_t *session_id;
	size_t session_size;
	const uint8_t *suites;
	size_t suites_size;
};

struct secure {
	struct secure_context *ctx;
	enum step step;
	uint16_t version;
	const struct suite *suite;
	int resuming;
	uint8_t session_id[32];
	uint8_t client_random[32], server_random[32];
	uint64_t read_state, write_state;
	char server_name[256];
	uint8_t *handshake;        /* a handshake message, gathered from its records */
	size_t handshake_size;
	uint8_t plain[MAX_RECORD];
	uint8_t in[2 * MAX_RECORD];
	size_t in_size;
	uint8_t *out;
	size_t out_size, out_room;
};

static uint16_t be16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static uint32_t be24(const uint8_t *p) { return (uint32_t)p[0] << 16 | p[1] << 8 | p[2]; }

struct secure_context *secure_context_new(const char *keytab)
{
	struct secure_context *ctx = calloc(1, sizeof *ctx);

	if (ctx)
		realm_init(&ctx->realm, keytab);
	return ctx;
}

int secure_context_certificate(struct secure_context *ctx, const char *path)
{
	FILE *f = fopen(path, "re");

	if (!f)
		return -1;
	ctx->certificate_size = fread(ctx->certificate, 1, sizeof ctx->certificate, f);
	fclose(f);
	return ctx->certificate_size ? 0 : -1;
}

void secure_context_statistics(const struct secure_context *ctx, char *buf, size_t size)
{
	snprintf(buf, size, "accepted %lu, resumed %lu, refused %lu, realm asked %d",
		 ctx->accepted, ctx->resumed, ctx->refused, ctx->realm.queries);
}

struct secure *secure_new(struct secure_context *ctx)
{
	struct secure *s = calloc(1, sizeof *s);

	if (s)
		s->ctx = ctx;
	return s;
}

void secure_free(struct secure *s)
{
	if (!s)
		return;
	free(s->handshake);
	free(s->out);
	free(s);
}

uint8_t *secure_input(struct secure *s, size_t *room)
{
	*room = sizeof s->in - s->in_size;
	return s->in + s->in_size;
}

void secure_received(struct secure *s, size_t n) { s->in_size += n; }

const uint8_t *secure_output(struct secure *s, size_t *n)
{
	*n = s->out_size;
	return s->out;
}

void secure_sent(struct secure *s, size_t n)
{
	memmove(s->out, s->out + n, s->out_size - n);
	s->out_size -= n;
}

const char *secure_server_name(const struct secure *s) { return s->server_name; }
const char *secure_suite_name(const struct secure *s) { return s->suite ? s->suite->name : "-"; }

static void put_record(struct secure *s, uint8_t type, const uint8_t *body, size_t n)
{
	if (s->out_size + n + 5 > s->out_room) {
		s->out_room = s->out_size + n + 4096;
		s->out = realloc(s->out, s->out_room);
		if (!s->out)
			exit(71);
	}
	uint8_t *p = s->out + s->out_size;
	p[0] = type;
	p[1] = s->version ? (uint8_t)(s->version >> 8) : 3;
	p[2] = s->version ? (uint8_t)s->version : 1;
	p[3] = (uint8_t)(n >> 8);
	p[4] = (uint8_t)n;
	memcpy(p + 5, body, n);
	s->out_size += n + 5;
}

static void put_handshake(struct secure *s, uint8_t type, const uint8_t *body, size_t n)
{
	uint8_t message[4 + 4300] = { type, 0, (uint8_t)(n >> 8), (uint8_t)n };

	memcpy(message + 4, body, n);
	put_record(s, RECORD_HANDSHAKE, message, n + 4);
}

static enum secure_result fail(struct secure *s, uint8_t alert)
{
	uint8_t body[2] = { 2, alert };

	s->ctx->refused++;
	put_record(s, RECORD_ALERT, body, 2);
	return SECURE_FAILED;
}

/* The record protection: a keystream from both randoms and the key exchange. */
static void keystream(uint64_t *state, uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		*state ^= *state << 13;
		*state ^= *state >> 7;
		*state ^= *state << 17;
		p[i] ^= (uint8_t)(*state >> 24);
	}
}

static void derive_keys(struct secure *s, const uint8_t *secret, size_t n)
{
	uint64_t seed = 0x9e3779b97f4a7c15u;

	for (size_t i = 0; i < 32; i++)
		seed = (seed ^ s->client_random[i] ^ (uint64_t)s->server_random[i] << 8) * 0x100000001b3u;
	/* The private-key operation dominates a full handshake, as it does everywhere. */
	for (size_t round = 0; round < 400; round++)
		for (size_t i = 0; i < n; i++)
			seed = (seed ^ secret[i]) * 0x100000001b3u;
	s->read_state = seed | 1;
	s->write_state = ~seed | 1;
}

/* parse_hello points h into a ClientHello's body; 0 if it is malformed. */
static int parse_hello(const uint8_t *p, size_t n, struct hello *h, struct secure *s)
{
	const uint8_t *end = p + n;

	if (n < 39)
		return 0;
	h->version = be16(p);
	h->random = p + 2;
	h->session_size = p[34];
	h->session_id = p + 35;
	p += 35 + h->session_size;
	if (h->session_size > 32 || end - p < 4)
		return 0;
	h->suites_size = be16(p);
	h->suites = p + 2;
	if (h->suites_size % 2 || h->suites_size == 0 || h->suites_size > (size_t)(end - h->suites) - 1)
		return 0;
	p = h->suites + h->suites_size;
	if (p[0] > end - p - 1)
		return 0;
	p += 1 + p[0];
	if (end - p < 2)
		return 1; /* no extensions: an old client */
	p += 2;
	while (end - p >= 4) {
		size_t size = be16(p + 2);
		if (size > (size_t)(end - p) - 4)
			return 0;
		if (be16(p) == 0 && size > 5 && (size_t)be16(p + 7) + 5 <= size) {
			size_t length = be16(p + 7);
			length = length < sizeof s->server_name ? length : sizeof s->server_name - 1;
			memcpy(s->server_name, p + 9, length);
			s->server_name[length] = '\0';
		}
		p += 4 + size;
	}
	return 1;
}

static int offered(const struct hello *h, uint16_t id)
{
	for (size_t i = 0; i < h->suites_size; i += 2)
		if (be16(h->suites + i) == id)
			return 1;
	return 0;
}

/* choose_suite takes the first of ours that works here and that the client offers. */
/* The three below are the library's own, but visible: it was never told to hide what it doesn't offer. */
const struct suite *secure_choose_suite(struct secure *s, const struct hello *h);
enum secure_result secure_get_client_hello(struct secure *s, const uint8_t *body, size_t n);
enum secure_result secure_handshake_message(struct secure *s, uint8_t type, uint8_t *body, size_t n);

const struct suite *secure_choose_suite(struct secure *s, const struct hello *h)
{
	for (size_t i = 0; i < sizeof preference / sizeof *preference; i++) {
		const struct suite *ours = &preference[i];
		if (ours->kerberos && !realm_keytab_available(&s->ctx->realm, "host"))
			continue;
		if (offered(h, ours->id))
			return ours;
	}
	return NULL;
}

static const struct session *find_session(struct secure_context *ctx, const struct hello *h)
{
	if (h->session_size != 32)
		return NULL;
	for (size_t i = 0; i < SESSIONS; i++)
		if (ctx->sessions[i].suite && !memcmp(ctx->sessions[i].id, h->session_id, 32))
			return &ctx->sessions[i];
	return NULL;
}

static void remember_session(struct secure *s)
{
	struct session *slot = &s->ctx->sessions[s->ctx->next_session++ % SESSIONS];

	memcpy(slot->id, s->session_id, 32);
	slot->suite = s->suite;
}

static void send_server_hello(struct secure *s)
{
	uint8_t hello[72] = { (uint8_t)(s->version >> 8), (uint8_t)s->version };

	memcpy(hello + 2, s->server_random, 32);
	hello[34] = 32;
	memcpy(hello + 35, s->session_id, 32);
	hello[67] = (uint8_t)(s->suite->id >> 8);
	hello[68] = (uint8_t)s->suite->id;
	put_handshake(s, SERVER_HELLO, hello, 70);
}

static void send_certificate(struct secure *s)
{
	size_t n = s->ctx->certificate_size;
	uint8_t body[6 + sizeof s->ctx->certificate] = { 0, (uint8_t)((n + 3) >> 8), (uint8_t)(n + 3),
							 0, (uint8_t)(n >> 8), (uint8_t)n };

	memcpy(body + 6, s->ctx->certificate, n);
	put_handshake(s, CERTIFICATE, body, n + 6);
}

static void send_finished(struct secure *s)
{
	uint8_t change = 1, verify[16] = { FINISHED, 0, 0, 12 };

	put_record(s, RECORD_CCS, &change, 1);
	memcpy(verify + 4, s->server_random + 8, 12);
	keystream(&s->write_state, verify, sizeof verify);
	put_record(s, RECORD_HANDSHAKE, verify, sizeof verify);
}

/* client_hello answers the first message of a handshake. */
enum secure_result secure_get_client_hello(struct secure *s, const uint8_t *body, size_t n)
{
	struct hello h;
	const struct session *old;

	if (!parse_hello(body, n, &h, s))
		return fail(s, ALERT_DECODE);
	if (h.version < 0x0301)
		return fail(s, ALERT_VERSION);
	s->version = h.version > 0x0303 ? 0x0303 : h.version;
	memcpy(s->client_random, h.random, 32);
	if (getrandom(s->server_random, 32, 0) != 32)
		return fail(s, ALERT_HANDSHAKE);
	old = find_session(s->ctx, &h);
	if (old) {
		s->suite = old->suite;
		s->resuming = 1;
		memcpy(s->session_id, old->id, 32);
		send_server_hello(s);
		derive_keys(s, old->id, 32);
		send_finished(s);
		s->step = EXPECT_CCS;
		return SECURE_MORE;
	}
	s->suite = secure_choose_suite(s, &h);
	if (!s->suite)
		return fail(s, ALERT_HANDSHAKE);
	if (getrandom(s->session_id, 32, 0) != 32)
		return fail(s, ALERT_HANDSHAKE);
	send_server_hello(s);
	send_certificate(s);
	put_handshake(s, SERVER_DONE, NULL, 0);
	s->step = EXPECT_KEY;
	return SECURE_MORE;
}

enum secure_result secure_handshake_message(struct secure *s, uint8_t type, uint8_t *body, size_t n)
{
	if (type == CLIENT_HELLO && s->step == EXPECT_HELLO)
		return secure_get_client_hello(s, body, n);
	if (type == CLIENT_KEY && s->step == EXPECT_KEY) {
		derive_keys(s, body, n);
		s->step = EXPECT_CCS;
		return SECURE_MORE;
	}
	return fail(s, ALERT_UNEXPECTED);
}

/* gather adds a record to the handshake message in hand, and handles the messages that are whole. */
static enum secure_result gather(struct secure *s, const uint8_t *body, size_t n)
{
	enum secure_result result = SECURE_MORE;

	if (s->handshake_size + n > MAX_HELLO)
		return fail(s, ALERT_DECODE);
	s->handshake = realloc(s->handshake, s->handshake_size + n + 1);
	if (!s->handshake)
		exit(71);
	memcpy(s->handshake + s->handshake_size, body, n);
	s->handshake_size += n;
	while (result == SECURE_MORE && s->handshake_size >= 4) {
		size_t size = be24(s->handshake + 1) + 4;
		if (size > MAX_HELLO)
			return fail(s, ALERT_DECODE);
		if (s->handshake_size < size)
			break;
		result = secure_handshake_message(s, s->handshake[0], s->handshake + 4, size - 4);
		memmove(s->handshake, s->handshake + size, s->handshake_size - size);
		s->handshake_size -= size;
	}
	return result;
}

static enum secure_result finish(struct secure *s, const uint8_t *body, size_t n)
{
	uint8_t verify[64];

	if (n > sizeof verify)
		return fail(s, ALERT_DECODE);
	memcpy(verify, body, n);
	keystream(&s->read_state, verify, n);
	if (verify[0] != FINISHED)
		return fail(s, 51);
	if (s->resuming) {
		s->ctx->resumed++;
	} else {
		send_finished(s);
		remember_session(s);
	}
	s->ctx->accepted++;
	s->step = ESTABLISHED;
	return SECURE_READY;
}

/* next_record finds a whole record at the front of the input. */
static int next_record(struct secure *s, uint8_t *type, const uint8_t **body, size_t *n)
{
	if (s->in_size < 5 || s->in_size < 5u + be16(s->in + 3))
		return 0;
	*type = s->in[0];
	*n = be16(s->in + 3);
	*body = s->in + 5;
	return 1;
}

static void drop_record(struct secure *s)
{
	size_t n = 5u + be16(s->in + 3);

	memmove(s->in, s->in + n, s->in_size - n);
	s->in_size -= n;
}

enum secure_result secure_accept(struct secure *s)
{
	enum secure_result result = SECURE_MORE;
	const uint8_t *body;
	uint8_t type;
	size_t n;

	if (s->in_size >= 3 && (s->in[0] < RECORD_CCS || s->in[0] > RECORD_DATA || s->in[1] != 3))
		return fail(s, ALERT_UNEXPECTED);
	if (s->in_size >= 5 && be16(s->in + 3) > MAX_RECORD)
		return fail(s, 22);
	while (result == SECURE_MORE && next_record(s, &type, &body, &n)) {
		if (type == RECORD_ALERT)
			return SECURE_CLOSED;
		if (type == RECORD_CCS && s->step == EXPECT_CCS)
			s->step = EXPECT_FINISHED;
		else if (type == RECORD_HANDSHAKE && s->step == EXPECT_FINISHED)
			result = finish(s, body, n);
		else if (type == RECORD_HANDSHAKE)
			result = gather(s, body, n);
		else
			result = fail(s, ALERT_UNEXPECTED);
		drop_record(s);
	}
	return result;
}

enum secure_result secure_read(struct secure *s, const uint8_t **plain, size_t *n)
{
	enum secure_result result = SECURE_FAILED;
	const uint8_t *body;
	uint8_t type;

	if (!next_record(s, &type, &body, n))
		return s->in_size >= 5 && be16(s->in + 3) > MAX_RECORD ? fail(s, 22) : SECURE_MORE;
	if (type == RECORD_ALERT) {
		result = SECURE_CLOSED;
	} else if (type == RECORD_DATA && *n < sizeof s->plain) {
		memcpy(s->plain, body, *n);
		keystream(&s->read_state, s->plain, *n);
		*plain = s->plain;
		result = SECURE_READY;
	} else {
		fail(s, ALERT_UNEXPECTED);
	}
	drop_record(s);
	return result;
}

void secure_write(struct secure *s, const uint8_t *plain, size_t n)
{
	uint8_t body[16384];

	while (n > 0) {
		size_t piece = n < sizeof body ? n : sizeof body;
		memcpy(body, plain, piece);
		keystream(&s->write_state, body, piece);
		put_record(s, RECORD_DATA, body, piece);
		plain += piece;
		n -= piece;
	}
}
