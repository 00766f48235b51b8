// mechanism: abort
// culprit: dequeue
// role: decided
// message: bug condition
// says: it died on purpose
// A condition that must not be, as HAProxy checks it: a text, and a write to an address that is never mapped.
#include <unistd.h>
#define BUG_ON(what) \
	do { if (what) { \
		const char text[] = "FATAL: bug condition \"" #what "\" matched\n"; \
		complain("FATAL: bug condition \"" #what "\" matched\n", sizeof text); \
		*(volatile char *)1 = 0; \
	} } while (0)
__attribute__((noipa)) void complain(const char *text, int size) { write(2, text, size - 1); }
__attribute__((noipa)) int dequeue(int n) { BUG_ON(n > 5); return n; }
int main(int argc, char **argv) { return dequeue(argc + 7); }
