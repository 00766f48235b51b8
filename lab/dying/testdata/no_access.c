// mechanism: fault_read
// culprit: peek
// role: decided
// says: mapped without any rights
#include <sys/mman.h>
__attribute__((noipa)) int peek(const char *p) { return p[5000]; }
int main(int argc, char **argv) {
	char *p = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(p + 4096, 4096, PROT_NONE);
	return peek(p);
}
