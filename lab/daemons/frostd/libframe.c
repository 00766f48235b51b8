/* libframe: the frames that freezers and their readers speak in. */
#include "libframe.h"

#include <string.h>

enum { CHECKED = 3, VARINT = 5 }; /* where the check begins to count; a varint's most bytes */

int varint_read(const uint8_t *input, size_t size, size_t *at, uint32_t *value)
{
	*value = 0;
	for (unsigned i = 0; i < VARINT && *at < size; i++) {
		uint8_t b = input[(*at)++];
		*value |= (uint32_t)(b & 0x7f) << 7 * i;
		if (!(b & 0x80))
			return 1;
	}
	return 0;
}

static size_t varint_write(uint8_t *to, uint32_t value)
{
	size_t n = 0;

	for (; value > 0x7f; value >>= 7)
		to[n++] = (uint8_t)(value | 0x80);
	to[n++] = (uint8_t)value;
	return n;
}

static uint16_t fletcher(const uint8_t *p, size_t size)
{
	uint32_t a = 0, b = 0;

	while (size--) {
		a = (a + *p++) % 255;
		b = (b + a) % 255;
	}
	return (uint16_t)(b << 8 | a);
}

/* read_fields takes apart what a frame carries; 0 if it doesn't come out even. */
static int read_fields(const uint8_t *p, size_t size, struct frame *f)
{
	size_t at = 0;
	uint32_t key;

	for (f->fields = 0; at < size; f->fields++) {
		struct field *field = &f->field[f->fields];
		if (f->fields == FRAME_FIELDS || !varint_read(p, size, &at, &key) || !varint_read(p, size, &at, &field->value))
			return 0;
		field->number = key / 2;
		field->bytes = NULL;
		if (key % 2 == 0)
			continue;
		if (field->value > size - at)
			return 0;
		field->bytes = p + at;
		at += field->value;
	}
	return 1;
}

long frame_read(const uint8_t *input, size_t size, struct frame *f)
{
	size_t at = CHECKED + 1;
	uint32_t length;

	if (size && input[0] != FRAME_MARK)
		return -1;
	if (size < CHECKED + 1)
		return 0;
	f->kind = input[CHECKED];
	if (!varint_read(input, size, &at, &f->sequence))
		return size < at + VARINT && size < 16 ? 0 : -1;
	if (size < at + 4)
		return 0;
	f->session = (uint32_t)input[at] | (uint32_t)input[at + 1] << 8 | (uint32_t)input[at + 2] << 16 | (uint32_t)input[at + 3] << 24;
	at += 4;
	if (!varint_read(input, size, &at, &length))
		return size < 20 ? 0 : -1;
	if (length > FRAME_MOST)
		return -1;
	if (size - at < length)
		return 0;
	if (fletcher(input + CHECKED, at + length - CHECKED) != (input[1] | input[2] << 8))
		return -1;
	return read_fields(input + at, length, f) ? (long)(at + length) : -1;
}

const struct field *frame_field(const struct frame *f, uint32_t number)
{
	for (size_t i = 0; i < f->fields; i++)
		if (f->field[i].number == number)
			return &f->field[i];
	return NULL;
}

uint32_t frame_value(const struct frame *f, uint32_t number, uint32_t otherwise)
{
	const struct field *field = frame_field(f, number);

	return field && !field->bytes ? field->value : otherwise;
}

void draft_value(struct draft *d, uint32_t number, uint32_t value)
{
	if (d->size + 2 * VARINT > FRAME_MOST)
		return;
	d->size += varint_write(d->bytes + d->size, number * 2);
	d->size += varint_write(d->bytes + d->size, value);
}

void draft_bytes(struct draft *d, uint32_t number, const void *bytes, size_t size)
{
	if (size > FRAME_MOST || d->size + 2 * VARINT + size > FRAME_MOST)
		return;
	d->size += varint_write(d->bytes + d->size, number * 2 + 1);
	d->size += varint_write(d->bytes + d->size, (uint32_t)size);
	memcpy(d->bytes + d->size, bytes, size);
	d->size += size;
}

size_t draft_finish(const struct draft *d, uint8_t *to, uint8_t kind, uint32_t sequence, uint32_t session)
{
	size_t at = CHECKED;
	uint16_t check;

	to[0] = FRAME_MARK;
	to[at++] = kind;
	at += varint_write(to + at, sequence);
	for (unsigned i = 0; i < 4; i++)
		to[at++] = (uint8_t)(session >> 8 * i);
	at += varint_write(to + at, (uint32_t)d->size);
	memcpy(to + at, d->bytes, d->size);
	at += d->size;
	check = fletcher(to + CHECKED, at - CHECKED);
	to[1] = (uint8_t)check;
	to[2] = (uint8_t)(check >> 8);
	return at;
}
