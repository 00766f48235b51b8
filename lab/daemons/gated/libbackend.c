/* libbackend: what gateway and backends say to each other. */
#include "libbackend.h"

#include <string.h>

enum { WITH_ID = 6, FIXED = 14 }; /* bytes behind the length: up to the tag, and all that isn't tag or value */

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

size_t request_write(uint8_t *to, uint32_t id, enum verb verb, const char *key, const char *value, size_t size)
{
	size_t name = strlen(key), whole = BACKEND_HEAD + name + size;

	put32(to, (uint32_t)(whole - 4));
	put32(to + 4, id);
	to[8] = (uint8_t)verb;
	to[9] = (uint8_t)name;
	memcpy(to + BACKEND_HEAD, key, name);
	memcpy(to + BACKEND_HEAD + name, value, size);
	return whole;
}

/* clean copies a text and leaves out what would break the line that it comes into. */
static void clean(char *to, const char *text)
{
	for (; *text; text++)
		if (*text > ' ' && *text < 0x7f)
			*to++ = *text;
	*to = '\0';
}

long answer_read(const uint8_t *input, size_t size, struct answer *a)
{
	const uint8_t *p = input + 4;
	char text[BACKEND_TAG];
	size_t length, tag;

	if (size < 4)
		return 0;
	length = get32(input);
	if (length < FIXED || length > BACKEND_MOST)
		return -1;
	if (size - 4 < length)
		return 0;
	a->id = get32(p);
	a->status = p[4];
	tag = p[5];
	if (FIXED + tag > length)
		return -1;
	memcpy(text, p + WITH_ID, tag);
	text[tag] = '\0';
	clean(a->tag, text);
	p += WITH_ID + tag;
	a->version = get32(p);
	a->expires = get32(p + 4);
	a->value = p + 8;
	a->size = length - FIXED - tag;
	return (long)length + 4;
}
