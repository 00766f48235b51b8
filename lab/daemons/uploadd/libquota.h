/* libquota: how much room each owner has, and how much of it is taken. */
#ifndef LIBQUOTA_H
#define LIBQUOTA_H

#include <stdint.h>

struct account;

/* quota_limit says how much each owner may take. */
void quota_limit(uint64_t limit);

/* quota_open gives an owner's account, which is made if need be; NULL without memory. */
struct account *quota_open(const char *owner);

/* quota_reserve sets room aside for a file that is coming; 0 if there is not so much. quota_settle gives back
 * what of it wasn't used: the rest is taken for good. */
int quota_reserve(struct account *a, uint64_t size);
void quota_settle(struct account *a, uint64_t reserved, uint64_t used);

/* quota_free is how much room is left. */
uint64_t quota_free(struct account *a);

#endif
