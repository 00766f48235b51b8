/* libwire: requests of counted arguments.
 *
 *	!3\r\n =3\r\nset\r\n =5\r\ncolor\r\n =4\r\nblue\r\n
 *
 * (without the blanks): how many arguments, and each with its size before it. */
#ifndef LIBWIRE_H
#define LIBWIRE_H

#include <stddef.h>
#include <stdint.h>

enum { WIRE_INPUT = 16384, WIRE_LINE = 32, WIRE_ARGS = 16 };

/* An argument points into what was received. */
struct wire_arg {
	char *text;
	uint32_t size;
};

struct wire_request {
	uint32_t count;
	struct wire_arg arg[WIRE_ARGS];
};

enum wire { WIRE_WHOLE, WIRE_MORE, WIRE_BAD };

/* wire_read reads the request that size bytes begin with; if it is whole, taken says how many are its. It can be
 * asked again when more has come: nothing is changed. */
enum wire wire_read(struct wire_request *q, char *input, size_t size, size_t *taken);

/* wire_seal puts a zero behind every argument of a whole request, in the place of its line's end. */
void wire_seal(struct wire_request *q);

/* wire_int reads an argument that is a number; 0 if it isn't one. */
int wire_int(const struct wire_arg *a, long long *number);

#endif
