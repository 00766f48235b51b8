/* libframe: the frames that freezers and their readers speak in.
 *
 *	frame  mark:1 check:2 kind:1 sequence session:4 length fields
 *	field  key value
 *
 * What has no size is a varint, seven bits a byte, the lowest first; session and check are little-endian.
 * The check is Fletcher's, over all behind it; length is that of the fields. A key is the field's number
 * times two, and one more if the value is a counted row of bytes instead of a varint. */
#ifndef LIBFRAME_H
#define LIBFRAME_H

#include <stddef.h>
#include <stdint.h>

enum { FRAME_MARK = 0xf7, FRAME_FIELDS = 12, FRAME_MOST = 4096 };

enum kind {
	KIND_HELLO = 1, KIND_PUT, KIND_QUERY, KIND_ALARM, KIND_RESUME, KIND_LIST, KIND_BYE,
	KIND_ANSWER = 0x80, KIND_ERROR = 0xff
};

struct field {
	uint32_t number;
	uint32_t value;       /* or the count of bytes */
	const uint8_t *bytes; /* NULL if it is a varint */
};

struct frame {
	uint8_t kind;
	uint32_t sequence, session;
	struct field field[FRAME_FIELDS];
	size_t fields;
};

/* frame_read reads the first frame of an input; gives its size, 0 if it isn't whole yet, -1 if it is broken. */
long frame_read(const uint8_t *input, size_t size, struct frame *f);

/* frame_field is the field of a number, or NULL; frame_value is its value, or another if there is none. */
const struct field *frame_field(const struct frame *f, uint32_t number);
uint32_t frame_value(const struct frame *f, uint32_t number, uint32_t otherwise);

/* A frame that is being written: its fields, whose number is known only at the end. */
struct draft {
	size_t size;
	uint8_t bytes[FRAME_MOST];
};

void draft_value(struct draft *d, uint32_t number, uint32_t value);
void draft_bytes(struct draft *d, uint32_t number, const void *bytes, size_t size);

/* draft_finish writes the frame, for which there must be room for 32 bytes more; returns its size. */
size_t draft_finish(const struct draft *d, uint8_t *to, uint8_t kind, uint32_t sequence, uint32_t session);

/* varint_read reads one varint, and moves *at behind it; 0 if it isn't whole or has no end. */
int varint_read(const uint8_t *input, size_t size, size_t *at, uint32_t *value);

#endif
