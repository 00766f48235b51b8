/* libbackend: what gateway and backends say to each other. Numbers are big-endian:
 *
 *	request  length:4 id:4 verb:1 key-length:1 key value
 *	answer   length:4 id:4 status:1 tag-length:1 tag version:4 expires:4 value
 *
 * where a length doesn't count itself. */
#ifndef LIBBACKEND_H
#define LIBBACKEND_H

#include <stddef.h>
#include <stdint.h>

enum { BACKEND_TAG = 48, BACKEND_KEY = 200, BACKEND_MOST = 1 << 16, BACKEND_HEAD = 10 };

enum verb { VERB_GET = 1, VERB_PUT = 2, VERB_DROP = 3 };
enum status { STATUS_OK = 0, STATUS_STORED = 1, STATUS_NONE = 2, STATUS_BUSY = 3, STATUS_PING = 9 };

struct answer {
	uint32_t id;
	enum status status;
	char tag[BACKEND_TAG]; /* a digest of the value */
	uint32_t version, expires;
	const uint8_t *value;
	size_t size;
};

/* request_write writes a request, whose room must be BACKEND_HEAD and the sizes, and returns its size. */
size_t request_write(uint8_t *to, uint32_t id, enum verb verb, const char *key, const char *value, size_t size);

/* answer_read reads the first answer of an input; gives its size there, 0 if it isn't whole yet, or -1 if it
 * makes no sense. */
long answer_read(const uint8_t *input, size_t size, struct answer *a);

#endif
