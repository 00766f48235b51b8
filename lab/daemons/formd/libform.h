/* libform: reads urlencoded forms piece by piece, as they come. */
#ifndef LIBFORM_H
#define LIBFORM_H

#include <stddef.h>

enum { FORM_NAME = 128 };

/* A form that is being read. Names come whole, values in pieces. */
struct form {
	void (*name)(void *context, const char *name, size_t size);
	void (*value)(void *context, const char *piece, size_t size);
	void *context;
	const char *error; /* why it is refused */
	int in_value;
	size_t held; /* bytes of a name whose rest is still to come */
	char part[FORM_NAME];
};

/* form_feed reads the next piece; form_end says that there are no more. */
void form_feed(struct form *f, const char *piece, size_t size);
void form_end(struct form *f);

/* form_decode turns %41 into A and + into a space, in place, and returns the new size. */
size_t form_decode(char *text, size_t size);

#endif
