/* libwire: requests of counted arguments. */
#include "libwire.h"

#include <stdlib.h>
#include <string.h>

/* count reads one line, a mark and a number, and moves on behind it. */
static enum wire count(char mark, char **at, const char *end, uint32_t *number)
{
	char *line = *at, *newline, *stop;

	if (line == end)
		return WIRE_MORE;
	if (*line != mark)
		return WIRE_BAD;
	newline = memchr(line, '\n', (size_t)(end - line));
	if (!newline)
		return end - line > WIRE_LINE ? WIRE_BAD : WIRE_MORE;
	*number = (uint32_t)strtoul(line + 1, &stop, 10);
	if (stop == line + 1 || *stop != '\r' || stop + 1 != newline)
		return WIRE_BAD;
	*at = newline + 1;
	return WIRE_WHOLE;
}

enum wire wire_read(struct wire_request *q, char *input, size_t size, size_t *taken)
{
	char *at = input, *end = input + size;
	enum wire got = count('!', &at, end, &q->count);

	if (got != WIRE_WHOLE)
		return got;
	if (q->count == 0 || q->count > WIRE_ARGS)
		return WIRE_BAD;
	for (uint32_t i = 0; i < q->count; i++) {
		struct wire_arg *a = &q->arg[i];
		uint32_t room;
		if ((got = count('=', &at, end, &a->size)) != WIRE_WHOLE)
			return got;
		room = a->size + 2; /* with the line's end */
		if (room > WIRE_INPUT)
			return WIRE_BAD;
		if (room > (size_t)(end - at))
			return WIRE_MORE;
		a->text = at;
		at += room;
	}
	*taken = (size_t)(at - input);
	return WIRE_WHOLE;
}

void wire_seal(struct wire_request *q)
{
	for (uint32_t i = 0; i < q->count; i++)
		q->arg[i].text[q->arg[i].size] = '\0';
}

int wire_int(const struct wire_arg *a, long long *number)
{
	char *end;

	*number = strtoll(a->text, &end, 10);
	return a->size > 0 && a->size < 20 && end == a->text + a->size;
}
