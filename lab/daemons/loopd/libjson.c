/* libjson: JSON texts into trees and back. */
#define _GNU_SOURCE
#include "libjson.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 64 };

static void skip_space(struct json_reader *r)
{
	while (r->at < r->end && isspace((unsigned char)*r->at))
		r->at++;
}

static int take(struct json_reader *r, char c)
{
	skip_space(r);
	if (r->at == r->end || *r->at != c)
		return 0;
	r->at++;
	return 1;
}

static void *fail(struct json_reader *r, const char *why)
{
	if (!r->error)
		r->error = why;
	return NULL;
}

static struct json *new_value(enum json_kind kind)
{
	struct json *v = calloc(1, sizeof *v);

	if (v)
		v->kind = kind;
	return v;
}

/* put_utf8 writes a code point of the basic plane. */
static char *put_utf8(char *to, unsigned code)
{
	if (code < 0x80) {
		*to++ = (char)code;
	} else if (code < 0x800) {
		*to++ = (char)(0xc0 | code >> 6);
		*to++ = (char)(0x80 | (code & 0x3f));
	} else {
		*to++ = (char)(0xe0 | code >> 12);
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
		*to++ = (char)(0x80 | (code & 0x3f));
	}
	return to;
}

/* string reads a string behind its opening quote. */
static char *string(struct json_reader *r)
{
	const char *close = r->at;
	char *text, *to;

	while (close < r->end && *close != '"')
		close += *close == '\\' && close + 1 < r->end ? 2 : 1;
	if (close >= r->end)
		return fail(r, "string without end");
	text = to = malloc((size_t)(close - r->at) + 1);
	while (to && r->at < close) {
		static const char from[] = "nrtbf", into[] = "\n\r\t\b\f";
		const char *known;
		if (*r->at != '\\') {
			*to++ = *r->at++;
			continue;
		}
		if (r->at[1] == 'u' && close - r->at >= 6) {
			char digits[5] = { r->at[2], r->at[3], r->at[4], r->at[5] };
			to = put_utf8(to, (unsigned)strtoul(digits, NULL, 16));
			r->at += 6;
			continue;
		}
		known = strchr(from, r->at[1]);
		*to++ = known && *known ? into[known - from] : r->at[1];
		r->at += 2;
	}
	if (to)
		*to = '\0';
	r->at = close + 1;
	return text;
}

static struct json *word(struct json_reader *r)
{
	static const struct { const char *text; enum json_kind kind; } words[] = {
		{ "null", JSON_NULL }, { "false", JSON_FALSE }, { "true", JSON_TRUE },
	};
	const char *start = r->at;
	struct json *v;

	for (size_t i = 0; i < 3; i++) {
		size_t n = strlen(words[i].text);
		if ((size_t)(r->end - r->at) >= n && !memcmp(r->at, words[i].text, n)) {
			r->at += n;
			return new_value(words[i].kind);
		}
	}
	while (r->at < r->end && (isdigit((unsigned char)*r->at) || strchr("+-.eE", *r->at)))
		r->at++;
	if (r->at == start)
		return fail(r, "unexpected character");
	v = new_value(JSON_NUMBER);
	if (v)
		v->text = strndup(start, (size_t)(r->at - start));
	return v;
}

struct json *json_value(struct json_reader *r)
{
	struct json *v, **tail, *child;
	char *name = NULL;

	if (take(r, '"')) {
		name = string(r);
		v = name ? new_value(JSON_STRING) : NULL;
		if (v)
			v->text = name;
		return v;
	}
	if (take(r, '[')) {
		if (++r->depth > MAX_DEPTH)
			return fail(r, "nested too deep");
		v = new_value(JSON_ARRAY);
	} else if (take(r, '{')) {
		v = new_value(JSON_OBJECT);
	} else {
		return word(r);
	}
	if (!v)
		return fail(r, "out of memory");
	for (tail = &v->first; !take(r, v->kind == JSON_ARRAY ? ']' : '}'); tail = &child->next) {
		if (v->first && !take(r, ','))
			return fail(r, "expected a comma");
		if (v->kind == JSON_OBJECT && (!take(r, '"') || !(name = string(r)) || !take(r, ':')))
			return fail(r, "expected a name");
		child = json_value(r);
		if (!child)
			return NULL;
		if (v->kind == JSON_OBJECT)
			child->name = name;
		*tail = child;
	}
	if (v->kind == JSON_ARRAY)
		r->depth--;
	return v;
}

struct json *json_parse(const char *text, size_t size, const char **error)
{
	struct json_reader r = { text, text + size, NULL, 0 };
	struct json *v = json_value(&r);

	if (v) {
		skip_space(&r);
		if (r.at != r.end)
			fail(&r, "text behind the value");
	}
	*error = r.error;
	if (r.error) {
		json_free(v);
		return NULL;
	}
	return v;
}

void json_free(struct json *v)
{
	/* A tree is taken apart from its top, its children strung behind it: no stack is needed. */
	while (v) {
		struct json *next = v->next, *last = v->first;
		if (last) {
			while (last->next)
				last = last->next;
			last->next = next;
			next = v->first;
		}
		free(v->name);
		free(v->text);
		free(v);
		v = next;
	}
}

const struct json *json_get(const struct json *object, const char *name)
{
	if (!object || object->kind != JSON_OBJECT)
		return NULL;
	for (const struct json *v = object->first; v; v = v->next)
		if (!strcmp(v->name, name))
			return v;
	return NULL;
}

const char *json_string(const struct json *object, const char *name)
{
	const struct json *v = json_get(object, name);

	return v && v->text ? v->text : "";
}

static void put(const char *text, char *to, size_t size, size_t *n)
{
	for (; *text; text++)
		if (*n + 1 < size)
			to[(*n)++] = *text;
}

static void write_value(const struct json *v, char *to, size_t size, size_t *n, int depth)
{
	static const char *const words[] = { "null", "false", "true" };
	int object = v->kind == JSON_OBJECT;

	if (v->kind <= JSON_TRUE) {
		put(words[v->kind], to, size, n);
	} else if (v->kind == JSON_NUMBER) {
		put(v->text, to, size, n);
	} else if (v->kind == JSON_STRING) {
		put("\"", to, size, n);
		put(v->text, to, size, n);
		put("\"", to, size, n);
	} else if (depth > MAX_DEPTH) {
		put("\"...\"", to, size, n);
	} else {
		put(object ? "{" : "[", to, size, n);
		for (const struct json *c = v->first; c; c = c->next) {
			if (object) {
				put("\"", to, size, n);
				put(c->name, to, size, n);
				put("\":", to, size, n);
			}
			write_value(c, to, size, n, depth + 1);
			if (c->next)
				put(",", to, size, n);
		}
		put(object ? "}" : "]", to, size, n);
	}
}

size_t json_write(const struct json *v, char *to, size_t size)
{
	size_t n = 0;

	write_value(v, to, size, &n, 0);
	to[n] = '\0';
	return n;
}
