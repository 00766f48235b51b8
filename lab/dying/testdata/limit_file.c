// mechanism: limit
// culprit: append
// role: decided
// says: limit of file size
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
__attribute__((noipa)) long append(int fd) { return pwrite(fd, "x", 1, 65 << 20) + 1; }
int main(int argc, char **argv) {
	struct rlimit l = {64 << 20, 64 << 20};
	setrlimit(RLIMIT_FSIZE, &l);
	return append(fileno(tmpfile()));
}
