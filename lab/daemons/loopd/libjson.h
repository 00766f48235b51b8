/* libjson: JSON texts into trees and back. */
#ifndef LIBJSON_H
#define LIBJSON_H

#include <stddef.h>

enum json_kind { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
	enum json_kind kind;
	char *name;          /* in an object */
	char *text;          /* of a string or number */
	struct json *first;  /* of an array or object */
	struct json *next;   /* sister */
};

struct json_reader {
	const char *at, *end;
	const char *error;
	int depth;
};

/* json_parse reads one text; NULL and *error if it is malformed. */
struct json *json_parse(const char *text, size_t size, const char **error);

/* json_value reads the value at the reader. */
struct json *json_value(struct json_reader *r);

void json_free(struct json *v);
const struct json *json_get(const struct json *object, const char *name);
const char *json_string(const struct json *object, const char *name);

/* json_write writes a tree, cut at size; gives the length. */
size_t json_write(const struct json *v, char *to, size_t size);

#endif
