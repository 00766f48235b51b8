/* rr's second half: the data of records that have names in it. */
#include "archive_rr.h"

#include <assert.h>
#include <string.h>

/* What the data of those types is made of that have names in them: n a name, s a counted string,
 * a digit so many bytes. Names there may be compressed, so they can't be copied as they stand. */
static const struct layout {
	uint16_t type;
	const char *parts;
} layouts[] = {
	{ 2, "n" },        /* NS */
	{ 5, "n" },        /* CNAME */
	{ 6, "nn884" },      /* SOA */
	{ 12, "n" },       /* PTR */
	{ 14, "nn" },      /* MINFO */
	{ 15, "2n" },      /* MX */
	{ 17, "n" },       /* RP */
	{ 18, "2n" },      /* AFSDB */
	{ 21, "2n" },      /* RT */
	{ 26, "2nn" },     /* PX */
	{ 33, "6n" },      /* SRV */
	{ 35, "4sssn" },   /* NAPTR */
	{ 36, "2n" },      /* KX */
	{ 39, "n" },       /* DNAME */
};

/* put_name writes a name in the form of the wire, uncompressed. */
static size_t put_name(uint8_t *to, const char *text)
{
	size_t out = 0;

	while (*text && strcmp(text, ".")) {
		size_t n = strcspn(text, ".");
		to[out++] = (uint8_t)n;
		memcpy(to + out, text, n);
		out += n;
		text += n + (text[n] == '.');
	}
	to[out++] = 0;
	return out;
}

static const char *layout_of(uint16_t type)
{
	for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
		if (layouts[i].type == type)
			return layouts[i].parts;
	return NULL;
}

int rr_expand(const uint8_t *message, size_t size, size_t at, size_t length, struct rr *rr)
{
	const char *parts = layout_of(rr->type);
	size_t end = at + length;
	char name[RR_NAME + 1];

	if (!parts)
		return 1;
	rr->size = 0;
	for (; *parts; parts++) {
		size_t n = (size_t)(*parts - '0');
		if (*parts == 'n') {
			if (!rr_name(message, size, &at, name))
				return 0;
			rr->size += (uint16_t)put_name(rr->data + rr->size, name);
			continue;
		}
		if (*parts == 's')
			n = at < end ? message[at] + 1u : 1;
		if (at + n > end || rr->size + n + 2 * RR_NAME > RR_DATA)
			return 0;
		memcpy(rr->data + rr->size, message + at, n);
		rr->size += (uint16_t)n;
		at += n;
	}
	assert(at == end);
	return 1;
}
