/* libhpack: the headers of HTTP/2 (RFC 7541). */
#include "libhpack.h"

#include <stdlib.h>
#include <string.h>

#define FIXED(name, value) { name, value, sizeof name - 1, sizeof value - 1 }

static const struct entry fixed[] = {
	FIXED(":authority", ""),
	FIXED(":method", "GET"),
	FIXED(":method", "POST"),
	FIXED(":path", "/"),
	FIXED(":path", "/index.html"),
	FIXED(":scheme", "http"),
	FIXED(":scheme", "https"),
	FIXED(":status", "200"),
	FIXED(":status", "204"),
	FIXED(":status", "206"),
	FIXED(":status", "304"),
	FIXED(":status", "400"),
	FIXED(":status", "404"),
	FIXED(":status", "500"),
	FIXED("accept-charset", ""),
	FIXED("accept-encoding", "gzip, deflate"),
	FIXED("accept-language", ""),
	FIXED("accept-ranges", ""),
	FIXED("accept", ""),
	FIXED("access-control-allow-origin", ""),
	FIXED("age", ""),
	FIXED("allow", ""),
	FIXED("authorization", ""),
	FIXED("cache-control", ""),
	FIXED("content-disposition", ""),
	FIXED("content-encoding", ""),
	FIXED("content-language", ""),
	FIXED("content-length", ""),
	FIXED("content-location", ""),
	FIXED("content-range", ""),
	FIXED("content-type", ""),
	FIXED("cookie", ""),
	FIXED("date", ""),
	FIXED("etag", ""),
	FIXED("expect", ""),
	FIXED("expires", ""),
	FIXED("from", ""),
	FIXED("host", ""),
	FIXED("if-match", ""),
	FIXED("if-modified-since", ""),
	FIXED("if-none-match", ""),
	FIXED("if-range", ""),
	FIXED("if-unmodified-since", ""),
	FIXED("last-modified", ""),
	FIXED("link", ""),
	FIXED("location", ""),
	FIXED("max-forwards", ""),
	FIXED("proxy-authenticate", ""),
	FIXED("proxy-authorization", ""),
	FIXED("range", ""),
	FIXED("referer", ""),
	FIXED("refresh", ""),
	FIXED("retry-after", ""),
	FIXED("server", ""),
	FIXED("set-cookie", ""),
	FIXED("strict-transport-security", ""),
	FIXED("transfer-encoding", ""),
	FIXED("user-agent", ""),
	FIXED("vary", ""),
	FIXED("via", ""),
	FIXED("www-authenticate", ""),
};

enum { FIXED_COUNT = sizeof fixed / sizeof *fixed, SYMBOLS = 256, LONGEST_CODE = 30, LONGEST_STRING = 8192 };

/* How long each byte's code is. The codes follow: they count up, the shorter ones first. */
static const uint8_t code_length[SYMBOLS] = {
	13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
	6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
	13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
	15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
	20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
	22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
	26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
	20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
};

/* By length: the first code, how many there are, and where their bytes begin in sorted. */
static struct {
	uint32_t first, count, at;
} codes[LONGEST_CODE + 1];
static uint8_t sorted[SYMBOLS];

__attribute__((constructor)) static void sort_codes(void)
{
	uint32_t code = 0, n = 0;

	for (unsigned length = 1; length <= LONGEST_CODE; length++) {
		code <<= 1;
		codes[length].first = code;
		codes[length].at = n;
		for (unsigned symbol = 0; symbol < SYMBOLS; symbol++)
			if (code_length[symbol] == length)
				sorted[n++] = (uint8_t)symbol;
		codes[length].count = n - codes[length].at;
		code += codes[length].count;
	}
}

/* A block's rest. */
struct block {
	const uint8_t *at, *end;
};

/* number reads an integer with a prefix of so many bits; -1 if it is cut or too large. */
static long number(struct block *b, unsigned bits)
{
	long mask = (1L << bits) - 1, value;
	unsigned shift = 0;

	if (b->at == b->end)
		return -1;
	value = *b->at++ & mask;
	if (value < mask)
		return value;
	for (; b->at < b->end && shift <= 21; shift += 7) {
		value += (long)(*b->at & 0x7f) << shift;
		if (!(*b->at++ & 0x80))
			return value;
	}
	return -1;
}

/* unpack decodes Huffman's code, and returns the size; -1 if that is damaged. No code is shorter than 5 bits. */
static long unpack(const uint8_t *from, size_t size, char *to)
{
	uint32_t code = 0, padding = 1;
	unsigned length = 0;
	long n = 0;

	for (size_t bit = 0; bit < 8 * size; bit++) {
		uint32_t one = from[bit / 8] >> (7 - bit % 8) & 1;
		code = code << 1 | one;
		padding &= one;
		if (++length > LONGEST_CODE)
			return -1;
		if (code - codes[length].first >= codes[length].count)
			continue;
		to[n++] = (char)sorted[codes[length].at + code - codes[length].first];
		code = 0;
		length = 0;
		padding = 1;
	}
	return length < 8 && padding ? n : -1;
}

/* string reads a string into memory of its own. */
static char *string(struct block *b, size_t *size)
{
	int packed = b->at < b->end && *b->at & 0x80;
	long n = number(b, 7), out = n;
	char *text;

	if (n < 0 || n > b->end - b->at || n > LONGEST_STRING)
		return NULL;
	text = malloc((size_t)(packed ? n * 8 / 5 : n) + 1);
	if (!text)
		return NULL;
	if (packed)
		out = unpack(b->at, (size_t)n, text);
	else
		memcpy(text, b->at, (size_t)n);
	b->at += n;
	if (out < 0) {
		free(text);
		return NULL;
	}
	text[out] = '\0';
	*size = (size_t)out;
	return text;
}

static void entry_free(struct entry *e)
{
	free((char *)e->name);
	free((char *)e->value);
	free(e);
}

static size_t entry_size(const struct entry *e) { return e->name_size + e->value_size + 32; }

void table_evict(struct table *t, size_t most)
{
	while (t->used > most) {
		struct entry *oldest = t->ring[(t->next + SLOTS - t->count) % SLOTS];
		t->used -= entry_size(oldest);
		t->count--;
		entry_free(oldest);
	}
}

/* table_add keeps an entry, if there can be room for it. */
static int table_add(struct table *t, struct entry *e)
{
	if (entry_size(e) > t->size) {
		table_evict(t, 0);
		return 0;
	}
	table_evict(t, t->size - entry_size(e));
	t->ring[t->next++] = e;
	t->next %= SLOTS;
	t->count++;
	t->used += entry_size(e);
	return 1;
}

static const struct entry *table_get(const struct table *t, long index)
{
	size_t back = (size_t)index - FIXED_COUNT;

	if (index <= 0)
		return NULL;
	if (index <= FIXED_COUNT)
		return &fixed[index - 1];
	return back <= t->count ? t->ring[(t->next + SLOTS - back) % SLOTS] : NULL;
}

static int add(struct fields *f, const struct entry *e, int own)
{
	if (!e || f->count == FIELDS)
		return -1;
	f->list[f->count++] = (struct field){ e, own };
	return 0;
}

/* literal reads a field whose value, at least, is spelt out. */
static int literal(struct table *t, struct block *b, unsigned bits, struct fields *to)
{
	long index = number(b, bits);
	const struct entry *named = index > 0 ? table_get(t, index) : NULL;
	struct entry *e = calloc(1, sizeof *e);

	if (!e)
		return -1;
	if (index == 0)
		e->name = string(b, &e->name_size);
	else if (named && (e->name = strdup(named->name)))
		e->name_size = named->name_size;
	if (e->name)
		e->value = string(b, &e->value_size);
	if (!e->name || !e->value || add(to, e, 1) < 0) {
		entry_free(e);
		return -1;
	}
	if (bits == 6 && table_add(t, e))
		to->list[to->count - 1].own = 0; /* it is the table's now */
	return 0;
}

static int resize(struct table *t, long size)
{
	if (size < 0 || size > TABLE_SIZE)
		return -1;
	t->size = (size_t)size;
	table_evict(t, t->size);
	return 0;
}

int hpack_decode(struct table *t, const uint8_t *block, size_t size, struct fields *to)
{
	struct block b = { block, block + size };
	int wrong = 0;

	while (b.at < b.end && !wrong) {
		if (*b.at & 0x80)
			wrong = add(to, table_get(t, number(&b, 7)), 0);
		else if (*b.at & 0x40)
			wrong = literal(t, &b, 6, to);
		else if (*b.at & 0x20)
			wrong = resize(t, number(&b, 5));
		else
			wrong = literal(t, &b, 4, to);
	}
	return wrong;
}

const struct entry *fields_find(const struct fields *f, const char *name)
{
	size_t size = strlen(name);

	for (size_t i = 0; i < f->count; i++) {
		const struct entry *e = f->list[i].entry;
		if (e->name[0] == name[0] && e->name_size == size && !memcmp(e->name, name, size))
			return e;
	}
	return NULL;
}

void fields_free(struct fields *f)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->list[i].own)
			entry_free((struct entry *)f->list[i].entry);
	f->count = 0;
}
