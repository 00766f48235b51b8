/* libkeyring: the keys that tickets are signed with. They have a life each, and follow one another. */
#ifndef LIBKEYRING_H
#define LIBKEYRING_H

#include <stddef.h>
#include <stdint.h>

enum { KEY_NAME = 16, KEY_SECRET = 416, RING_SLOTS = 16 };

struct key {
	char name[KEY_NAME];
	long long born; /* in milliseconds */
	unsigned long signatures;
	uint8_t secret[KEY_SECRET];
};

/* A ring holds its keys by the names that tickets call them. */
struct keyring {
	struct {
		char name[KEY_NAME];
		struct key *key;
	} slot[RING_SLOTS];
	size_t count;
	unsigned long made;
	long long life; /* of a key, in milliseconds */
};

/* keyring_open makes the first key. Tickets from before keys had names call theirs "-": that is the
 * first one, too. 0 if there is no memory. */
int keyring_open(struct keyring *ring, long long life, long long now);

/* keyring_turn makes a new key if the newest is old enough; keyring_sweep drops those whose life is over. */
void keyring_turn(struct keyring *ring, long long now);
void keyring_sweep(struct keyring *ring, long long now);

/* keyring_newest is the key to sign with, keyring_find the one of a name, or NULL. */
struct key *keyring_newest(const struct keyring *ring);
struct key *keyring_find(const struct keyring *ring, const char *name);

/* key_sign makes a ticket's signature. */
uint64_t key_sign(struct key *key, const char *text);

#endif
