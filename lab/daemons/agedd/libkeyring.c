/* libkeyring: the keys that tickets are signed with. */
#include "libkeyring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* A ring has its next key when the newest has lived a quarter of its life: tickets stay good for the rest. */
enum { TURNS = 4 };

static struct key *key_make(unsigned long number, long long now)
{
	struct key *key = calloc(1, sizeof *key);

	if (!key)
		return NULL;
	snprintf(key->name, sizeof key->name, "k%lu", number);
	key->born = now;
	if (getrandom(key->secret, sizeof key->secret, 0) != sizeof key->secret) {
		free(key);
		return NULL;
	}
	return key;
}

static void keyring_put(struct keyring *ring, const char *name, struct key *key)
{
	snprintf(ring->slot[ring->count].name, KEY_NAME, "%s", name);
	ring->slot[ring->count++].key = key;
}

int keyring_open(struct keyring *ring, long long life, long long now)
{
	struct key *first = key_make(ring->made++, now);

	ring->life = life;
	if (!first)
		return 0;
	keyring_put(ring, "-", first);
	keyring_put(ring, first->name, first);
	return 1;
}

void keyring_turn(struct keyring *ring, long long now)
{
	struct key *key;

	if (now - keyring_newest(ring)->born < ring->life / TURNS || ring->count == RING_SLOTS)
		return;
	key = key_make(ring->made++, now);
	if (key)
		keyring_put(ring, key->name, key);
}

void keyring_sweep(struct keyring *ring, long long now)
{
	size_t kept = 0;

	for (size_t i = 0; i < ring->count; i++) {
		if (now - ring->slot[i].key->born < ring->life)
			ring->slot[kept++] = ring->slot[i];
		else
			free(ring->slot[i].key);
	}
	ring->count = kept;
}

struct key *keyring_newest(const struct keyring *ring)
{
	return ring->slot[ring->count - 1].key;
}

struct key *keyring_find(const struct keyring *ring, const char *name)
{
	for (size_t i = 0; i < ring->count; i++)
		if (!strcmp(ring->slot[i].name, name))
			return ring->slot[i].key;
	return NULL;
}

/* mix stirs a state of 64 bits so that every bit of it reaches every other (a multiplication, folded). */
static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)(a | 1) * (b ^ 0x9e3779b97f4a7c15u);

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t key_sign(struct key *key, const char *text)
{
	uint64_t state = strlen(text), word;

	for (size_t at = 0; *text; at = (at + sizeof word) % KEY_SECRET, text++) {
		memcpy(&word, key->secret + at, sizeof word);
		state = mix(state ^ (uint8_t)*text, word);
	}
	key->signatures++;
	return state;
}
