/* libroute: who has subscribed to what. */
#include "libroute.h"
#include "libtopic.h"

#include <stdlib.h>
#include <string.h>

static struct route *routes;

static void end(struct route **link)
{
	struct route *r = *link;

	*link = r->next;
	free(r->filter);
	free(r->pattern);
	free(r);
}

int route_add(size_t owner, uint32_t id, const char *filter, const char *pattern, int once)
{
	struct route **last = &routes, *r;

	if (!filter_valid(filter) || (pattern && (!*pattern || strlen(pattern) > TOPIC_MOST)))
		return 0;
	if (!(r = calloc(1, sizeof *r)))
		return 0;
	r->owner = owner;
	r->id = id;
	r->once = once;
	r->filter = strdup(filter);
	r->pattern = pattern ? strdup(pattern) : NULL;
	while (*last)
		last = &(*last)->next;
	*last = r;
	return 1;
}

size_t route_drop(size_t owner, uint32_t id)
{
	size_t dropped = 0;

	for (struct route **link = &routes; *link;) {
		if ((*link)->owner == owner && (!id || (*link)->id == id)) {
			end(link);
			dropped++;
		} else {
			link = &(*link)->next;
		}
	}
	return dropped;
}

size_t route_deliver(const struct message *m, route_bring *bring)
{
	size_t reached = 0;

	for (struct route **link = &routes; *link;) {
		struct route *r = *link;
		char *renamed = NULL;
		if (!topic_matches(m->topic, r->filter)) {
			link = &r->next;
			continue;
		}
		if (r->pattern)
			renamed = topic_rename(m->topic, r->filter, r->pattern);
		bring(r, renamed ? renamed : m->topic, m);
		free(renamed);
		reached++;
		if (r->once)
			end(link);
		else
			link = &r->next;
	}
	return reached;
}
