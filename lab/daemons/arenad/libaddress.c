/* libaddress: addresses of mail, and how a notification tells the original one (RFC 6533). */
#include "libaddress.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char type[] = "utf-8;";

long address_read(const char *text, const char **address)
{
	const char *open = strchr(text, '<'), *at, *close, *route;
	int quoted = 0;

	if (!open)
		return -1;
	for (at = open + 1; *at && (quoted || *at != '>'); at++) {
		if (*at == '\\' && at[1])
			at++;
		else if (*at == '"')
			quoted = !quoted;
	}
	close = at;
	if (*close != '>')
		return -1;
	route = open[1] == '@' ? memchr(open, ':', (size_t)(close - open)) : NULL;
	*address = route ? route + 1 : open + 1;
	return close - *address;
}

size_t address_room(const char *address, size_t size)
{
	size_t room = sizeof type;

	/* Of a character of two bytes six are made, \x{FC}, and of longer ones fewer to a byte. */
	for (size_t i = 0; i < size; i++)
		room += address[i] & 0x80 ? 3 : 1;
	return room;
}

/* character reads one character of UTF-8; what is damaged stands for itself. */
static size_t character(const uint8_t *at, size_t size, uint32_t *c)
{
	size_t length = *at >= 0xf0 ? 4 : *at >= 0xe0 ? 3 : *at >= 0xc2 ? 2 : 1;

	*c = length == 1 ? *at : *at & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if (i >= size || (at[i] & 0xc0) != 0x80) {
			*c = *at;
			return 1;
		}
		*c = *c << 6 | (at[i] & 0x3f);
	}
	return length;
}

void address_original(const char *address, size_t size, char *to)
{
	uint32_t c;
	size_t n;

	memcpy(to, type, sizeof type - 1);
	to += sizeof type - 1;
	for (size_t i = 0; i < size; i += n) {
		n = character((const uint8_t *)address + i, size - i, &c);
		/* These have a meaning of their own there. */
		if (c > '~' || c <= ' ' || c == '+' || c == '=' || c == '\\')
			to += sprintf(to, "\\x{%02X}", c);
		else
			*to++ = (char)c;
	}
	*to = '\0';
}
