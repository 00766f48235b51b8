// mechanism: fault_read
// culprit: checksum
// role: decided
#include <sys/mman.h>
__attribute__((noipa)) int checksum(const unsigned char *p, long n) { int sum = 0; for (long i = 0; i < n; i++) sum += p[i]; return sum; }
int main(int argc, char **argv) {
	char *p = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(p + 8192, 4096);
	return checksum(p, argc * 100000L);
}
