// mechanism: fault_read
// culprit: follow
// role: victim
// says: mapped without any rights
// A junk pointer leads into what an allocator has reserved, as glibc does for the heaps of its threads.
#include <sys/mman.h>
__attribute__((noipa)) int follow(const char *p) { return *p; }
__attribute__((noipa)) const char *junk(void) {
	char *p = mmap(0, 64 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	mprotect(p, 4096, PROT_READ | PROT_WRITE);
	return p + (28 << 20) + 0xfc5;
}
int main(int argc, char **argv) { return follow(junk()); }
