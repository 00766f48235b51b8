/* libpack: archives of files, read as they come. */
#include "libpack.h"

#include <endian.h>
#include <string.h>

void pack_start(struct pack *p, const struct pack_calls *calls, void *context)
{
	memset(p, 0, sizeof *p);
	p->calls = calls;
	p->context = context;
}

static uint32_t u32(const uint8_t *at)
{
	uint32_t n;

	memcpy(&n, at, sizeof n);
	return be32toh(n);
}

static uint64_t u64(const uint8_t *at)
{
	uint64_t n;

	memcpy(&n, at, sizeof n);
	return be64toh(n);
}

static void add_up(struct pack *p, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		p->sum_a = (p->sum_a + bytes[i]) % 65521;
		p->sum_b = (p->sum_b + p->sum_a) % 65521;
	}
}

static void begin_file(struct pack *p)
{
	char name[PACK_BODY];
	size_t size;

	if (p->in_file || p->body_size < 9) {
		p->error = "a file where none can be";
		return;
	}
	size = p->body_size - 8;
	memcpy(name, p->body + 8, size);
	name[size] = '\0';
	p->size = u64(p->body);
	p->written = 0;
	p->sum_a = 1;
	p->sum_b = 0;
	p->in_file = 1;
	p->entries++;
	p->error = p->calls->begin(p->context, name, p->size);
}

/* skip leaves a hole: nothing has to be kept of it. */
static void skip(struct pack *p)
{
	if (!p->in_file || p->body_size != 8)
		p->error = "a hole in nothing";
	else
		p->written += u64(p->body);
}

static void end_file(struct pack *p)
{
	if (!p->in_file || p->body_size != 4) {
		p->error = "an end of nothing";
		return;
	}
	p->in_file = 0;
	p->error = p->calls->end(p->context, p->written);
	if (!p->error && p->written < p->size)
		p->error = "a file is too short";
	if (!p->error && u32(p->body) != (p->sum_b << 16 | p->sum_a))
		p->error = "a checksum is wrong";
}

static void end_archive(struct pack *p)
{
	if (p->in_file || p->body_size != 4 || u32(p->body) != p->entries)
		p->error = "an end that is none";
	p->done = 1;
}

/* finish is called when a record is whole. */
static void finish(struct pack *p)
{
	p->head_size = 0;
	switch (p->kind) {
	case 'D':
	case 'L':
		p->entries++;
		break;
	case 'F':
		begin_file(p);
		break;
	case 'H':
		skip(p);
		break;
	case 'E':
		end_file(p);
		break;
	case 'Q':
		end_archive(p);
		break;
	}
}

/* begin is called when a record's head is whole. */
static void begin(struct pack *p)
{
	p->kind = p->head[0];
	p->left = u32(p->head + 1);
	p->body_size = 0;
	if (!strchr("DFBHEXLQ", p->kind) || !p->kind)
		p->error = "no such record";
	else if (p->kind == 'B' && (!p->in_file || p->left > p->size - p->written))
		p->error = "more bytes than the file has";
	else if (p->kind != 'B' && p->left >= PACK_BODY)
		p->error = "a record is too long";
	else if (!p->left)
		finish(p);
}

static void take(struct pack *p, const uint8_t *bytes, size_t size)
{
	if (p->kind == 'B') {
		add_up(p, bytes, size);
		p->calls->bytes(p->context, bytes, size);
		p->written += size;
	} else {
		memcpy(p->body + p->body_size, bytes, size);
		p->body_size += size;
	}
	p->left -= (uint32_t)size;
	if (!p->left)
		finish(p);
}

size_t pack_feed(struct pack *p, const uint8_t *piece, size_t size)
{
	size_t at = 0;

	while (at < size && !p->done && !p->error) {
		if (p->head_size < PACK_HEAD) {
			p->head[p->head_size++] = piece[at++];
			if (p->head_size == PACK_HEAD)
				begin(p);
		} else {
			size_t n = size - at < p->left ? size - at : p->left;
			take(p, piece + at, n);
			at += n;
		}
	}
	return at;
}
