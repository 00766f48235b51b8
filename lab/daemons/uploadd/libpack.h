/* libpack: archives of files, read as they come. An archive is a row of records: a kind, the size of its body,
 * u32 big-endian, and the body.
 *
 *	D  a directory: its name
 *	F  a file begins: u64 size, name
 *	B  bytes of it
 *	H  a hole in it: u64 how many zeros
 *	E  it ends: u32 checksum (Adler's) of its bytes, without its holes
 *	X  an attribute of the file: a text
 *	L  a link: a text
 *	Q  the archive ends: u32 how many directories, files and links it has
 */
#ifndef LIBPACK_H
#define LIBPACK_H

#include <stddef.h>
#include <stdint.h>

enum { PACK_HEAD = 5, PACK_BODY = 512 };

/* What happens with a file; begin and end say why not, or NULL. */
struct pack_calls {
	const char *(*begin)(void *context, const char *name, uint64_t size);
	void (*bytes)(void *context, const uint8_t *bytes, size_t size);
	const char *(*end)(void *context, uint64_t written);
};

/* An archive that is being read. */
struct pack {
	const struct pack_calls *calls;
	void *context;
	const char *error; /* why it is refused */
	int done;

	uint8_t head[PACK_HEAD], kind;
	size_t head_size;
	uint32_t left;             /* of the record's body */
	uint8_t body[PACK_BODY];   /* of all records but B, gathered */
	size_t body_size;

	int in_file;
	uint64_t size, written; /* the file's */
	uint32_t sum_a, sum_b;
	uint32_t entries;
};

void pack_start(struct pack *p, const struct pack_calls *calls, void *context);

/* pack_feed reads the next piece until the archive is done or refused; returns how much of the piece was of it. */
size_t pack_feed(struct pack *p, const uint8_t *piece, size_t size);

#endif
