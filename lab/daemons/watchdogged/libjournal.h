/* libjournal: what happened, in a file that a backup may lock to copy it in one piece. */
#ifndef LIBJOURNAL_H
#define LIBJOURNAL_H

#include <stddef.h>

struct journal;

/* journal_open opens or makes one; NULL if it can't. */
struct journal *journal_open(const char *path);

/* journal_note keeps a line for the next journal_flush, which brings all to the file. */
void journal_note(struct journal *j, const char *line);
void journal_flush(struct journal *j);

/* journal_position is how many bytes are in the file. */
size_t journal_position(const struct journal *j);

#endif
