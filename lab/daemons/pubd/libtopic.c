/* libtopic: topics, and filters of them. */
#include "libtopic.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

int topic_valid(const char *topic)
{
	return *topic && *topic != '/' && strlen(topic) <= TOPIC_MOST && !strpbrk(topic, "+#{}\n");
}

int filter_valid(const char *filter)
{
	const char *at = filter;

	if (!*filter || strlen(filter) > TOPIC_MOST)
		return 0;
	for (;;) {
		size_t level = strcspn(at, "/");
		const char *wildcard = strpbrk(at, "+#");
		if (wildcard && wildcard < at + level && level != 1) /* it has its level for itself */
			return 0;
		if (!at[level])
			return 1;
		if (*at == '#') /* and nothing comes behind this one */
			return 0;
		at += level + 1;
	}
}

int topic_matches(const char *topic, const char *filter)
{
	while (*filter != '#') {
		size_t level = strcspn(topic, "/"), wanted = strcspn(filter, "/");
		if (*filter != '+' && (level != wanted || strncmp(topic, filter, level)))
			return 0;
		if (!topic[level] || !filter[wanted])
			return !topic[level] && !filter[wanted];
		topic += level + 1;
		filter += wanted + 1;
	}
	return 1;
}

/* capture finds what a filter's wildcards stand for, in a copy of the topic that is cut up for it. */
static size_t capture(char *topic, const char *filter, const char **captured)
{
	size_t n = 0;

	while (topic && n < TOPIC_CAPTURES) {
		char *level;
		if (*filter == '#') {
			captured[n++] = topic;
			break;
		}
		level = strsep(&topic, "/");
		if (*filter == '+')
			captured[n++] = level;
		filter += strcspn(filter, "/");
		filter += *filter == '/';
	}
	return n;
}

char *topic_rename(const char *topic, const char *filter, const char *pattern)
{
	char copy[TOPIC_MOST + 1], name[TOPIC_MOST + 1];
	const char *captured[TOPIC_CAPTURES];
	size_t n;

	strcpy(copy, topic);
	n = capture(copy, filter, captured);
	name[0] = '\0';
	while (*pattern) {
		size_t plain = strcspn(pattern, "{");
		strncat(name, pattern, plain);
		pattern += plain;
		if (*pattern == '{' && pattern[1] >= '1' && pattern[1] <= '9' && pattern[2] == '}') {
			size_t wanted = (size_t)(pattern[1] - '1');
			if (wanted < n)
				strcat(name, captured[wanted]);
			pattern += 3;
		} else {
			pattern += *pattern == '{';
		}
	}
	return strdup(name);
}
