/* libjournal: what happened, in a file. */
#include "libjournal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct journal {
	int fd;
	size_t written;
	size_t size, room;
	char *kept;
};

struct journal *journal_open(const char *path)
{
	struct journal *j = calloc(1, sizeof *j);

	if (!j)
		return NULL;
	j->fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0640);
	if (j->fd < 0) {
		free(j);
		return NULL;
	}
	j->written = (size_t)lseek(j->fd, 0, SEEK_END);
	return j;
}

void journal_note(struct journal *j, const char *line)
{
	size_t n = strlen(line);

	if (j->size + n + 1 > j->room) {
		size_t room = 2 * (j->room + n + 512);
		char *grown = realloc(j->kept, room);
		if (!grown)
			return;
		j->kept = grown;
		j->room = room;
	}
	memcpy(j->kept + j->size, line, n);
	j->size += n;
	j->kept[j->size++] = '\n';
}

void journal_flush(struct journal *j)
{
	ssize_t n;

	if (!j->size || flock(j->fd, LOCK_EX) < 0)
		return;
	n = write(j->fd, j->kept, j->size);
	if (n > 0) {
		j->written += (size_t)n;
		j->size -= (size_t)n;
		memmove(j->kept, j->kept + n, j->size);
	}
	flock(j->fd, LOCK_UN);
}

size_t journal_position(const struct journal *j)
{
	return j->written;
}
