// mechanism: fault_read
// culprit: pick
// role: decided
// says: mapped without any rights
// An index leads from a sound pointer into what is reserved behind it.
#include <sys/mman.h>
__attribute__((noipa)) int pick(const char *p, long i) { const char *at = p + i * 4099; __asm__ volatile("" : "+r"(at) : "r"(p)); int v = *at; __asm__ volatile("" :: "r"(p)); return v; }
int main(int argc, char **argv) {
	char *p = mmap(0, 64 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	mprotect(p, 4096, PROT_READ | PROT_WRITE);
	return pick(p, 7000);
}
