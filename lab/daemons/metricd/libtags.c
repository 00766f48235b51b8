/* libtags: a metric's tags, and the labels that they become in a report. */
#include "libtags.h"

#include <string.h>

int tags_parse(struct tags *tags, const char *text)
{
	tags->count = 0;
	while (*text) {
		size_t size = strcspn(text, ",");
		const char *colon = memchr(text, ':', size);
		struct tag *t = &tags->tag[tags->count];

		if (tags->count == TAGS || size == 0 || colon == text)
			return 0;
		t->name = text;
		t->name_size = colon ? (size_t)(colon - text) : size;
		t->value = colon ? colon + 1 : text + size;
		t->value_size = (size_t)(text + size - t->value);
		tags->count++;
		text += size + (text[size] == ',');
	}
	return 1;
}

size_t tags_room(const struct tags *tags)
{
	size_t room = sizeof "{}";

	for (size_t i = 0; i < tags->count; i++) {
		const struct tag *t = &tags->tag[i];
		room += t->name_size + t->value_size + strlen("=\"\",");
		for (size_t j = 0; j < t->value_size; j++)
			room += t->value[j] == '"';
	}
	return room;
}

void tags_label(const struct tags *tags, char *to)
{
	*to++ = '{';
	for (size_t i = 0; i < tags->count; i++) {
		const struct tag *t = &tags->tag[i];
		if (i > 0)
			*to++ = ',';
		for (size_t j = 0; j < t->name_size; j++)
			*to++ = t->name[j];
		*to++ = '=';
		*to++ = '"';
		for (size_t j = 0; j < t->value_size; j++) {
			if (t->value[j] == '"' || t->value[j] == '\\')
				*to++ = '\\';
			*to++ = t->value[j];
		}
		*to++ = '"';
	}
	*to++ = '}';
	*to = '\0';
}
