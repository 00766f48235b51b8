/* librealm: which Kerberos realm and keytab this host belongs to. */
#ifndef LIBREALM_H
#define LIBREALM_H

#include <stddef.h>

struct realm {
	char keytab[256];  /* path of the keytab, inside whatever root the process has */
	char name[256];    /* the realm, once it is known */
	int queries;       /* how often it was asked for, for the statistics line */
};

void realm_init(struct realm *r, const char *keytab);

/* realm_default writes the realm's name to buf: from the configuration, else from the host's name. */
int realm_default(struct realm *r, char *buf, size_t size);

/* realm_keytab_available says whether there is a key for SERVICE/host in the keytab. */
int realm_keytab_available(struct realm *r, const char *service);

/* realm_translate_error turns getaddrinfo's errors into errno's. */
int realm_translate_error(int code);

#endif
