/* libsyslog: RELP's frames, and the syslog messages (RFC 5424) in them. */
#ifndef LIBSYSLOG_H
#define LIBSYSLOG_H

#include <stddef.h>
#include <sys/types.h>

enum { COMMAND = 32, NAME = 64, ELEMENTS = 8 };

/* A frame: TXNR SP COMMAND SP LENGTH [SP DATA] LF. */
struct frame {
	unsigned number;
	char command[COMMAND + 1];
	const char *data;
	size_t size;
};

/* frame_read reads the frame that a text begins with, and returns its size: 0 if it isn't whole yet, -1 if it is none. */
ssize_t frame_read(struct frame *f, const char *text, size_t size);

struct moment {
	int known;
	int year, month, day, hour, minute, second;
};

struct message {
	int facility, severity;
	struct moment moment;
	char host[NAME], app[NAME], process[NAME], id[NAME];
	size_t elements;              /* of structured data */
	char element[ELEMENTS][NAME]; /* their names */
	const char *text;
	size_t size;
};

/* message_read reads a message; NULL, or what is wrong with it. */
const char *message_read(struct message *m, const char *text, size_t size);

#endif
