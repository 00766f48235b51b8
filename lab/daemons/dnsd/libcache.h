/* libcache: answers that were seen lately, by question. */
#ifndef LIBCACHE_H
#define LIBCACHE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct cache;

struct cache *cache_new(size_t entries);

/* cache_put keeps an answer until a time; cache_get copies it out and gives its size, or 0. */
void cache_put(struct cache *c, const char *name, uint16_t type, const uint8_t *answer, size_t size, time_t until);
size_t cache_get(struct cache *c, const char *name, uint16_t type, uint8_t *answer, size_t room);

#endif
