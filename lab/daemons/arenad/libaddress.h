/* libaddress: addresses of mail, and how a notification tells the original one (RFC 6533). */
#ifndef LIBADDRESS_H
#define LIBADDRESS_H

#include <stddef.h>

/* address_read finds the address in <...>; its size, or -1 if there is none. Routes before it are dropped. */
long address_read(const char *text, const char **address);

/* address_room is how much memory address_original needs for an address. */
size_t address_room(const char *address, size_t size);

/* address_original writes an address as a notification's ORCPT has it: utf-8; and no byte but of ASCII. */
void address_original(const char *address, size_t size, char *to);

#endif
