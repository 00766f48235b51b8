/* librealm: which Kerberos realm and keytab this host belongs to. */
#include "librealm.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void realm_init(struct realm *r, const char *keytab)
{
	memset(r, 0, sizeof *r);
	snprintf(r->keytab, sizeof r->keytab, "%s", keytab);
}

int realm_translate_error(int code)
{
	switch (code) {
	case 0:
		return 0;
	case EAI_BADFLAGS:
	case EAI_SOCKTYPE:
	case EAI_SERVICE:
		return EINVAL;
	case EAI_FAMILY:
		return EAFNOSUPPORT;
	case EAI_MEMORY:
		return ENOMEM;
	case EAI_NONAME:
	case EAI_FAIL:
		return ENOENT;
	case EAI_SYSTEM:
		return errno;
	}
	/* Nothing else comes back for a name that is our own. */
	abort();
}

/* full_hostname asks the resolver for the canonical form of a name. */
static int full_hostname(const char *name, char *buf, size_t size)
{
	struct addrinfo hints, *found = NULL;
	int err;

	memset(&hints, 0, sizeof hints);
	hints.ai_flags = AI_CANONNAME | AI_ADDRCONFIG;
	hints.ai_socktype = SOCK_STREAM;
	err = getaddrinfo(name, NULL, &hints, &found);
	if (err)
		return realm_translate_error(err);
	if (!found->ai_canonname) {
		freeaddrinfo(found);
		return ENOENT;
	}
	snprintf(buf, size, "%s", found->ai_canonname);
	freeaddrinfo(found);
	return 0;
}

/* local_hostname is the canonical name of this host. */
int realm_local_hostname(char *buf, size_t size)
{
	char name[256];

	if (gethostname(name, sizeof name) < 0)
		return errno;
	name[sizeof name - 1] = '\0';
	return full_hostname(name, buf, size);
}

int realm_default(struct realm *r, char *buf, size_t size)
{
	char host[256];
	const char *domain;
	size_t i;
	int err;

	if (r->name[0]) {
		snprintf(buf, size, "%s", r->name);
		return 0;
	}
	err = realm_local_hostname(host, sizeof host);
	if (err)
		return err;
	domain = strchr(host, '.');
	domain = domain ? domain + 1 : host;
	for (i = 0; domain[i] && i < sizeof r->name - 1; i++)
		r->name[i] = (char)toupper((unsigned char)domain[i]);
	r->name[i] = '\0';
	snprintf(buf, size, "%s", r->name);
	return 0;
}

/* keytab_holds looks for a principal in the keytab: a text file, one principal a line. */
static int keytab_holds(const char *path, const char *principal)
{
	char line[600];
	FILE *f = fopen(path, "re");
	int found = 0;

	if (!f)
		return 0;
	while (!found && fgets(line, sizeof line, f)) {
		line[strcspn(line, "\r\n")] = '\0';
		found = !strcmp(line, principal);
	}
	fclose(f);
	return found;
}

int realm_keytab_available(struct realm *r, const char *service)
{
	char name[256], principal[600];

	r->queries++;
	if (realm_default(r, name, sizeof name))
		return 0;
	snprintf(principal, sizeof principal, "%s@%s", service, name);
	return keytab_holds(r->keytab, principal);
}
