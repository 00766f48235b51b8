/* libpool: memory for what is small and comes and goes: mapped slabs, each cut into objects of one size. */
#ifndef LIBPOOL_H
#define LIBPOOL_H

#include <stddef.h>

/* pool_alloc gives memory, or NULL if there is none or it would be too large. */
void *pool_alloc(size_t size);
void pool_free(void *p);

/* pool_text gives a copy of a text, with its NUL. */
char *pool_text(const char *text, size_t size);

/* pool_used is how many bytes are in use. */
size_t pool_used(void);

#endif
