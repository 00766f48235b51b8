/* libsyslog: RELP's frames, and the syslog messages (RFC 5424) in them. */
#include "libsyslog.h"

#include <string.h>

/* What is still to be read. */
struct rest {
	const char *at, *end;
};

static int next_is(struct rest *r, char c)
{
	if (r->at == r->end || *r->at != c)
		return 0;
	r->at++;
	return 1;
}

/* digits reads a number of so many digits at most; -1 if there is none. */
static int digits(struct rest *r, int most)
{
	int value = 0, n = 0;

	for (; n < most && r->at < r->end && *r->at >= '0' && *r->at <= '9'; n++)
		value = value * 10 + (*r->at++ - '0');
	return n ? value : -1;
}

/* word reads up to a character, which it leaves; what has no room is lost. */
static size_t word(struct rest *r, char *to, size_t room, char until)
{
	size_t n = 0;

	for (; r->at < r->end && *r->at != until; r->at++)
		if (n < room - 1)
			to[n++] = *r->at;
	to[n] = '\0';
	return n;
}

ssize_t frame_read(struct frame *f, const char *text, size_t size)
{
	struct rest r = { text, text + size };
	int number = digits(&r, 9), length;
	const char *space;

	if (r.at == r.end)
		return 0;
	if (number < 0 || !next_is(&r, ' '))
		return -1;
	space = memchr(r.at, ' ', (size_t)(r.end - r.at));
	if ((space ? space : r.end) - r.at > COMMAND)
		return -1;
	if (!space)
		return 0;
	word(&r, f->command, sizeof f->command, ' ');
	r.at++;
	length = digits(&r, 6);
	if (r.at == r.end)
		return 0;
	if (length < 0 || (length > 0 && !next_is(&r, ' ')))
		return -1;
	if (r.end - r.at < length + 1)
		return 0;
	f->number = (unsigned)number;
	f->data = r.at;
	f->size = (size_t)length;
	return r.at[length] == '\n' ? r.at + length + 1 - text : -1;
}

static int within(int value, int from, int to) { return value >= from && value <= to; }

/* zone reads what is behind a time: Z, or hours and minutes. Times are counted as their host tells them. */
static int zone(struct rest *r)
{
	if (next_is(r, 'Z'))
		return 1;
	return (next_is(r, '+') || next_is(r, '-')) && within(digits(r, 2), 0, 14) && next_is(r, ':') && within(digits(r, 2), 0, 59);
}

/* moment reads a time as RFC 3339 writes it. */
static int moment(struct rest *r, struct moment *m)
{
	int *const parts[] = { &m->year, &m->month, &m->day, &m->hour, &m->minute, &m->second };
	static const char behind[] = "--T::";

	m->known = 0;
	if (next_is(r, '-'))
		return 1;
	for (size_t i = 0; i < 6; i++)
		if ((*parts[i] = digits(r, i ? 2 : 4)) < 0 || (i < 5 && !next_is(r, behind[i])))
			return 0;
	if (next_is(r, '.') && digits(r, 6) < 0)
		return 0;
	m->known = 1;
	return within(m->year, 1970, 9999) && within(m->month, 1, 12) && within(m->day, 1, 31) && within(m->hour, 0, 23) &&
	       within(m->minute, 0, 59) && within(m->second, 0, 60) /* leap seconds happen */ && zone(r);
}

/* element reads [NAME PARAM="VALUE" ...]; in a value, a backslash takes the meaning of what follows. */
static int element(struct rest *r, char name[NAME])
{
	size_t n = 0;
	int quoted = 0;

	for (; r->at < r->end && *r->at != ' ' && *r->at != ']'; r->at++)
		if (n < NAME - 1)
			name[n++] = *r->at;
	name[n] = '\0';
	for (; r->at < r->end; r->at++) {
		if (quoted && *r->at == '\\' && r->end - r->at > 1)
			r->at++;
		else if (*r->at == '"')
			quoted = !quoted;
		else if (!quoted && next_is(r, ']'))
			return n > 0;
	}
	return 0;
}

static int structured_data(struct rest *r, struct message *m)
{
	m->elements = 0;
	if (next_is(r, '-'))
		return 1;
	while (next_is(r, '['))
		if (m->elements == ELEMENTS || !element(r, m->element[m->elements++]))
			return 0;
	return m->elements > 0;
}

const char *message_read(struct message *m, const char *text, size_t size)
{
	struct rest r = { text, text + size };
	char *const names[] = { m->host, m->app, m->process, m->id };
	int priority;

	if (!next_is(&r, '<') || !within(priority = digits(&r, 3), 0, 191) || !next_is(&r, '>'))
		return "no priority";
	m->facility = priority / 8;
	m->severity = priority % 8;
	if (!next_is(&r, '1') || !next_is(&r, ' '))
		return "not version 1";
	if (!moment(&r, &m->moment) || !next_is(&r, ' '))
		return "no time";
	for (size_t i = 0; i < 4; i++)
		if (!word(&r, names[i], NAME, ' ') || !next_is(&r, ' '))
			return "a name is missing";
	if (!structured_data(&r, m))
		return "bad structured data";
	next_is(&r, ' ');
	if (r.end - r.at >= 3 && !memcmp(r.at, "\xef\xbb\xbf", 3))
		r.at += 3;
	m->text = r.at;
	m->size = (size_t)(r.end - r.at);
	return NULL;
}
