// mechanism: fault_null
// culprit: lookup
// role: decided
// The handler runs on its own stack, puts the default action back and raises the signal again.
#include <signal.h>
#include <stdlib.h>
void on_fault(int sig) { signal(sig, SIG_DFL); raise(sig); }
__attribute__((noipa)) int lookup(int *p) { return p[3]; }
int main(int argc, char **argv) {
	stack_t stack = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
	sigaltstack(&stack, 0);
	struct sigaction act = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK | SA_NODEFER};
	sigaction(SIGSEGV, &act, 0);
	return lookup((int *)(long)(argc - 1));
}
