/* rr: reads resource records and writes them again without name compression. */
#include "archive_rr.h"

#include <string.h>

static uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }

int rr_name(const uint8_t *message, size_t size, size_t *at, char *text)
{
	size_t from = *at, out = 0, jumps = 0;
	int jumped = 0;

	while (from < size && message[from]) {
		uint8_t n = message[from];
		if (n >= 0xc0) {
			if (from + 2 > size || ++jumps > 32)
				return 0;
			if (!jumped)
				*at = from + 2;
			jumped = 1;
			from = get16(message + from) & 0x3fff;
			continue;
		}
		if (n > 63 || from + 1 + n > size || out + n + 1 > RR_NAME)
			return 0;
		memcpy(text + out, message + from + 1, n);
		out += n;
		text[out++] = '.';
		from += n + 1u;
	}
	if (from >= size)
		return 0;
	if (!jumped)
		*at = from + 1;
	if (out == 0)
		text[out++] = '.';
	text[out] = '\0';
	return 1;
}

int rr_read(const uint8_t *message, size_t size, size_t *at, struct rr *rr)
{
	size_t length;

	if (!rr_name(message, size, at, rr->owner) || *at + 10 > size)
		return 0;
	rr->type = get16(message + *at);
	rr->class = get16(message + *at + 2);
	rr->ttl = (uint32_t)get16(message + *at + 4) << 16 | get16(message + *at + 6);
	length = get16(message + *at + 8);
	*at += 10;
	if (*at + length > size || length > RR_DATA - 2 * RR_NAME)
		return 0;
	rr->size = (uint16_t)length;
	memcpy(rr->data, message + *at, length);
	if (!rr_expand(message, size, *at, length, rr))
		return 0;
	*at += length;
	return 1;
}
