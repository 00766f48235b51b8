// mechanism: fault_null
// culprit: lookup
// role: decided
// A daemon whose handler has a stack of its own, as it must to report that the ordinary one overflowed.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
static char own[64 << 10];
__attribute__((noipa)) void report(int sig) { fprintf(stderr, "died of %d\n", sig); abort(); }
void on_fault(int sig, siginfo_t *info, void *context) { report(sig); }
__attribute__((noipa)) int lookup(int *p) { return p[3]; }
int main(int argc, char **argv) {
	stack_t stack = {.ss_sp = own, .ss_size = sizeof own};
	sigaltstack(&stack, 0);
	struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	sigaction(SIGSEGV, &act, 0);
	return lookup((int *)(long)(argc - 1));
}
