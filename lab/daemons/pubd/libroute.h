/* libroute: who has subscribed to what. */
#ifndef LIBROUTE_H
#define LIBROUTE_H

#include <stddef.h>
#include <stdint.h>

/* A subscription. */
struct route {
	struct route *next;
	size_t owner;
	uint32_t id;   /* its owner's name for it */
	int once;      /* it ends with the first message */
	char *filter;
	char *pattern; /* how its messages' topics are renamed; NULL if not at all */
};

/* A message that is on its way. */
struct message {
	struct message *next;
	size_t from; /* who has sent it */
	int acknowledge;
	char *topic;
	size_t size;
	char payload[];
};

/* What brings a message to a subscriber, under a topic. */
typedef void route_bring(const struct route *r, const char *topic, const struct message *m);

/* route_add subscribes; 0 if the filter or the pattern is none. */
int route_add(size_t owner, uint32_t id, const char *filter, const char *pattern, int once);

/* route_drop ends a subscription of an owner's, or all if id is 0; returns how many. */
size_t route_drop(size_t owner, uint32_t id);

/* route_deliver brings a message to all who have subscribed to it; returns how many. */
size_t route_deliver(const struct message *m, route_bring *bring);

#endif
