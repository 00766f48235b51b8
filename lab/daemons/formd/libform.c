/* libform: reads urlencoded forms piece by piece, as they come. */
#include "libform.h"

#include <string.h>

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t form_decode(char *text, size_t size)
{
	size_t out = 0;

	for (size_t i = 0; i < size; i++) {
		if (text[i] == '%' && i + 2 < size && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
			text[out++] = (char)(hex(text[i + 1]) << 4 | hex(text[i + 2]));
			i += 2;
		} else {
			text[out++] = text[i] == '+' ? ' ' : text[i];
		}
	}
	return out;
}

/* hold keeps the beginning of a name until the rest comes. */
static void hold(struct form *f, const char *name, size_t size)
{
	if (size >= FORM_NAME) {
		f->error = "a field's name is too long";
		return;
	}
	memcpy(f->part, name, size);
	f->held = size;
}

/* named tells of a whole name; what stands behind it says whether a value follows. */
static const char *named(struct form *f, const char *name, size_t size, const char *behind)
{
	f->held = 0;
	f->in_value = *behind == '=';
	f->name(f->context, name, size);
	return behind + 1;
}

/* form_name reads a name that begins in this piece. */
const char *form_name(struct form *f, const char *at, const char *end)
{
	const char *stop = at;

	while (stop < end && *stop != '=' && *stop != '&')
		stop++;
	if (stop - at >= FORM_NAME) {
		f->error = "a field's name is too long";
		return end;
	}
	if (stop == end) {
		hold(f, at, (size_t)(stop - at));
		return end;
	}
	return named(f, at, (size_t)(stop - at), stop);
}

/* form_resume reads the rest of a name that began in an earlier piece. */
const char *form_resume(struct form *f, const char *at, const char *end)
{
	char name[FORM_NAME];
	size_t size = f->held;

	memcpy(name, f->part, size);
	while (at < end && *at != '=' && *at != '&')
		name[size++] = *at++;
	if (at == end) {
		hold(f, name, size);
		return end;
	}
	return named(f, name, size, at);
}

/* form_value reads a value's next piece. */
const char *form_value(struct form *f, const char *at, const char *end)
{
	const char *stop = memchr(at, '&', (size_t)(end - at));

	f->value(f->context, at, (size_t)((stop ? stop : end) - at));
	f->in_value = !stop;
	return stop ? stop + 1 : end;
}

void form_feed(struct form *f, const char *piece, size_t size)
{
	const char *end = piece + size;

	while (piece < end && !f->error) {
		if (f->in_value)
			piece = form_value(f, piece, end);
		else if (f->held)
			piece = form_resume(f, piece, end);
		else
			piece = form_name(f, piece, end);
	}
}

void form_end(struct form *f)
{
	if (f->held && !f->error)
		f->name(f->context, f->part, f->held);
}
