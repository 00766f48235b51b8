// mechanism: fault_null
// culprit: lookup
// role: decided
// A daemon that catches its own SIGSEGV, prints a report and aborts.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
__attribute__((noipa)) void report(int sig) { fprintf(stderr, "died of %d\n", sig); abort(); }
void on_fault(int sig, siginfo_t *info, void *context) { report(sig); }
__attribute__((noipa)) int lookup(int *p) { return p[3]; }
int main(int argc, char **argv) {
	struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	sigaction(SIGSEGV, &act, 0);
	return lookup((int *)(long)(argc - 1));
}
