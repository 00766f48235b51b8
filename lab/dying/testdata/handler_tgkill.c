// flags: -pthread
// mechanism: fault_write
// culprit: store
// role: victim
// A worker's handler reports and sends the signal again to its own thread.
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
__attribute__((noipa)) void report(int sig) {
	signal(sig, SIG_DFL);
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), sig);
	for (volatile int i = 0; i < 1000000000; i++)
		;
}
void on_fault(int sig, siginfo_t *info, void *context) { report(sig); }
struct node { long value; long *to; } nodes[2];
__attribute__((noipa)) void store(struct node *n) { *n->to = 7; }
void *work(void *p) {
	stack_t stack = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
	sigaltstack(&stack, 0);
	nodes[0].to = (long *)0x122334455000L;
	store(nodes);
	return 0;
}
int main(int argc, char **argv) {
	struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
	pthread_t t;
	sigaction(SIGSEGV, &act, 0);
	pthread_create(&t, 0, work, 0);
	pthread_join(t, 0);
	return 0;
}
