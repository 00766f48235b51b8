// mechanism: seccomp
// culprit: parent
// role: decided
// says: getppid, number 110
// A sandbox that reports the forbidden call before it dies, as Chromium's and OpenSSH's do.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
void report(int sig, siginfo_t *info, void *context) { abort(); }
__attribute__((noipa)) int parent(void) { return getppid() + 1; }
int main(int argc, char **argv) {
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {4, rules};
	struct sigaction act = {.sa_sigaction = report, .sa_flags = SA_SIGINFO};
	sigaction(SIGSYS, &act, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
	return parent();
}
