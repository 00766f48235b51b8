// flags: -fno-optimize-sibling-calls
// mechanism: stack_overflow
// culprit: descend
// role: decided
// An overflowed stack is reported from another one.
#include <signal.h>
#include <stdlib.h>
volatile int sink;
void on_fault(int sig) { abort(); }
__attribute__((noipa)) int descend(int n) { volatile char local[200]; local[3] = n; int r = descend(n + 1); sink = local[3]; return r; }
int main(int argc, char **argv) {
	stack_t stack = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
	sigaltstack(&stack, 0);
	struct sigaction act = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK};
	sigaction(SIGSEGV, &act, 0);
	return descend(argc);
}
