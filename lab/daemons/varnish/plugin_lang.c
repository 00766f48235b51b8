/* vmod_lang: which of a site's languages a client wants, by its Accept-Language (RFC 4647, basic filtering). */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cache/cache.h"
#include "vcc_lang.h"

#define OFFERS 12
#define RANGES 64

struct offer {
	unsigned length;
	char tag[20];
};

struct vmod_lang_site {
	unsigned magic;
#define LANG_SITE_MAGIC 0x6c616e67
	unsigned count;
	struct offer offers[OFFERS];
};

/* A language range, with its quality in thousandths. */
struct range {
	const char *tag;
	unsigned length;
	unsigned quality;
};

struct ranges {
	unsigned count;
	unsigned any; /* the quality of "*" */
	struct range all[RANGES];
};

VCL_VOID vmod_site__init(VRT_CTX, struct vmod_lang_site **sp, const char *name, VCL_STRING offered)
{
	struct vmod_lang_site *s;

	(void)name;
	CHECK_OBJ_NOTNULL(ctx, VRT_CTX_MAGIC);
	AN(sp);
	ALLOC_OBJ(s, LANG_SITE_MAGIC);
	AN(s);
	for (; offered && *offered && s->count < OFFERS; offered += strspn(offered, " ,")) {
		struct offer *o = &s->offers[s->count];
		size_t length = strcspn(offered, " ,");

		if (length > 0 && length < sizeof o->tag) {
			memcpy(o->tag, offered, length);
			o->length = (unsigned)length;
			s->count++;
		}
		offered += length;
	}
	if (s->count == 0)
		VRT_fail(ctx, "lang.site() needs a language to offer");
	*sp = s;
}

VCL_VOID vmod_site__fini(struct vmod_lang_site **sp)
{
	free(*sp);
	*sp = NULL;
}

/* quality reads "0.7" as 700; what isn't a quality counts as 1. */
static unsigned quality(const char *text, const char *end)
{
	unsigned value, unit = 100;

	if (text == end || !isdigit((unsigned char)*text))
		return 1000;
	value = *text == '0' ? 0 : 1000;
	for (text++; text < end && (*text == '.' || isdigit((unsigned char)*text)); text++) {
		if (*text != '.') {
			value += unit * (unsigned)(*text - '0');
			unit /= 10;
		}
	}
	return value > 1000 ? 1000 : value;
}

/* weight finds the quality among a range's parameters. */
static unsigned weight(const char *at, const char *end)
{
	while (at < end) {
		at += strspn(at, "; \t");
		if (at + 2 <= end && (*at | 0x20) == 'q' && at[1] == '=')
			return quality(at + 2, end);
		while (at < end && *at != ';')
			at++;
	}
	return 1000;
}

static void parse(struct ranges *r, const char *text)
{
	r->count = r->any = 0;
	while (*text) {
		const char *end = text + strcspn(text, ",");
		const char *tag = text + strspn(text, " \t");
		unsigned length = (unsigned)strcspn(tag, ",; \t");
		unsigned q = weight(tag + length, end);

		if (length == 1 && *tag == '*') {
			r->any = q;
		} else if (length > 0 && r->count < RANGES) {
			r->all[r->count++] = (struct range){tag, length, q};
		}
		text = *end ? end + 1 : end;
	}
}

/* covers says whether a range is an offer's tag or its beginning, up to a hyphen. Either may be the longer. */
static int covers(const struct range *r, const struct offer *o)
{
	unsigned n = r->length < o->length ? r->length : o->length;
	char next = r->length > n ? r->tag[n] : o->length > n ? o->tag[n] : '-';

	return next == '-' && !strncasecmp(r->tag, o->tag, n);
}

/* wanted is the quality that the client gives to an offer; unnamed ones are what "*" is worth. */
static unsigned wanted(const struct ranges *r, const struct offer *o)
{
	unsigned longest = 0, q = r->any;

	for (unsigned i = 0; i < r->count; i++) {
		if (r->all[i].length > longest && covers(&r->all[i], o)) {
			longest = r->all[i].length;
			q = r->all[i].quality;
		}
	}
	return q;
}

static const struct offer *best(const struct vmod_lang_site *s, const struct ranges *r)
{
	const struct offer *found = NULL;
	unsigned highest = 0;

	for (unsigned i = 0; i < s->count; i++) {
		unsigned q = wanted(r, &s->offers[i]);

		if (q > highest) {
			highest = q;
			found = &s->offers[i];
		}
	}
	return found;
}

VCL_STRING vmod_site_pick(VRT_CTX, struct vmod_lang_site *s, VCL_STRING text)
{
	struct ranges r;
	const struct offer *o;

	CHECK_OBJ_NOTNULL(ctx, VRT_CTX_MAGIC);
	CHECK_OBJ_NOTNULL(s, LANG_SITE_MAGIC);
	if (!text || !*text)
		return s->offers[0].tag;
	parse(&r, text);
	o = best(s, &r);
	if (!o && !r.any)
		return s->offers[0].tag; /* better a strange language than none */
	return WS_Copy(ctx->ws, o->tag, (int)o->length + 1); /* where "*" will do, there is one */
}
