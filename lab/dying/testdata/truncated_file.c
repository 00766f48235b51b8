// mechanism: bus_error
// culprit: scan
// role: decided
// says: (deleted)
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
__attribute__((noipa)) int scan(const char *p) { return p[100]; }
int main(int argc, char **argv) {
	FILE *f = tmpfile();
	ftruncate(fileno(f), 4096);
	char *p = mmap(0, 4096, PROT_READ, MAP_SHARED, fileno(f), 0);
	ftruncate(fileno(f), 0);
	return scan(p);
}
