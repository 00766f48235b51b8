/* rr: reads resource records and writes them again without name compression. */
#ifndef RR_H
#define RR_H

#include <stddef.h>
#include <stdint.h>

enum { RR_NAME = 255, RR_DATA = 2048 };

struct rr {
	char owner[RR_NAME + 1];
	uint16_t type, class;
	uint32_t ttl;
	uint16_t size;
	uint8_t data[RR_DATA]; /* names in it are expanded */
};

/* rr_name expands the name at *at into text; *at moves behind it. 0 if it is malformed. */
int rr_name(const uint8_t *message, size_t size, size_t *at, char *text);

/* rr_expand writes the record's data again, length bytes at an offset, with its names expanded. */
int rr_expand(const uint8_t *message, size_t size, size_t at, size_t length, struct rr *rr);

/* rr_read reads the record at *at; *at moves behind it. 0 if it is malformed. */
int rr_read(const uint8_t *message, size_t size, size_t *at, struct rr *rr);

#endif
