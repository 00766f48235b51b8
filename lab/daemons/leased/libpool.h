/* libpool: pools of things that can be leased (addresses, licences, channels), and who has them. */
#ifndef LIBPOOL_H
#define LIBPOOL_H

#include <stddef.h>
#include <stdint.h>

enum { POOL_NAME = 48, POOL_HOLDER = 48 };

struct lease {
	struct lease *next;
	uint32_t number;
	char holder[POOL_HOLDER];
};

struct pool {
	struct pool *next;
	char name[POOL_NAME];
	uint32_t size;     /* how many things there are */
	uint32_t reserved; /* how many of them are kept back, for an operator */
	uint32_t leased;
	uint32_t load; /* of what is free to lease, in percent, as last measured; smoothed */
	uint32_t next_number;
	struct lease *leases;
};

/* pool_find finds a pool, pool_make makes one; NULL if there is none, or no memory. */
struct pool *pool_find(struct pool *all, const char *name);
struct pool *pool_make(struct pool **all, const char *name, uint32_t size);

/* pool_reserve keeps some back; 0 if there aren't so many that nobody has leased. */
int pool_reserve(struct pool *p, uint32_t count);

/* pool_lease gives the number of a lease, or 0; pool_release takes it back. */
uint32_t pool_lease(struct pool *p, const char *holder);
int pool_release(struct pool *p, uint32_t number);

/* pool_measure brings a pool's load up to date. */
void pool_measure(struct pool *p);

#endif
