/* libpool: memory for what is small and comes and goes: mapped slabs, each cut into objects of one size. */
#define _GNU_SOURCE
#include "libpool.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { SLAB = 1 << 20, SIZES = 10 };

/* A free object. Objects have no head of their own: what is free is known by its list alone. */
struct object {
	struct object *next;
};

/* A slab's head; slabs are aligned, so every object finds its own. */
struct slab {
	unsigned size;
};

/* All objects of one size that are free. What is freed goes to the end: the longer it rests, the less harm does one
 * who still believes it is his. */
static struct list {
	struct object *first, *last;
} lists[SIZES];
static const size_t sizes[SIZES] = { 32, 64, 96, 128, 192, 256, 512, 1024, 4096, 16384 };
static size_t used;

static void append(struct list *l, struct object *o)
{
	o->next = NULL;
	if (l->first)
		l->last->next = o;
	else
		l->first = o;
	l->last = o;
}

/* more maps another slab. */
static int more(unsigned size)
{
	char *at = mmap(NULL, 2 * SLAB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *slab;

	if (at == MAP_FAILED)
		return -1;
	slab = (char *)(((uintptr_t)at + SLAB - 1) & ~(uintptr_t)(SLAB - 1));
	if (slab > at)
		munmap(at, (size_t)(slab - at));
	munmap(slab + SLAB, (size_t)(at + SLAB - slab));
	((struct slab *)slab)->size = size;
	for (size_t i = 64; i + sizes[size] <= SLAB; i += sizes[size])
		append(&lists[size], (struct object *)(slab + i));
	return 0;
}

void *pool_alloc(size_t size)
{
	unsigned i = 0;
	struct list *l;
	struct object *o;

	while (i < SIZES && sizes[i] < size)
		i++;
	if (i == SIZES)
		return NULL;
	l = &lists[i];
	if (!l->first && more(i) < 0)
		return NULL;
	o = l->first;
	l->first = o->next;
	used += sizes[i];
	return o;
}

void pool_free(void *p)
{
	const struct slab *s = (struct slab *)((uintptr_t)p & ~(uintptr_t)(SLAB - 1));

	if (!p)
		return;
	used -= sizes[s->size];
	append(&lists[s->size], p);
}

char *pool_text(const char *text, size_t size)
{
	char *copy = pool_alloc(size + 1);

	if (copy) {
		memcpy(copy, text, size);
		copy[size] = '\0';
	}
	return copy;
}

size_t pool_used(void) { return used; }
