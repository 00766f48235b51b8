// mechanism: fault_null
// culprit: lookup
// role: decided
// says: a field 0xc bytes into nothing
// The handler comes back, and the instruction fails again without one.
#include <signal.h>
#include <stdio.h>
void on_fault(int sig) { fprintf(stderr, "died of %d\n", sig); }
__attribute__((noipa)) int lookup(int *p) { return p[3]; }
int main(int argc, char **argv) {
	struct sigaction act = {.sa_handler = on_fault, .sa_flags = SA_RESETHAND};
	sigaction(SIGSEGV, &act, 0);
	return lookup((int *)(long)(argc - 1));
}
