// mechanism: fault_null
// culprit: note
// role: decided
// says: was null
// A handler that has nothing to do with faults makes one: what it interrupted is innocent.
#include <signal.h>
#include <unistd.h>
__attribute__((noipa)) void note(char *where, int n) { *where = n; }
void on_alarm(int n, siginfo_t *info, void *context) { note(0, n); }
__attribute__((noipa)) int work(void) { for (;;) pause(); }
int main(void) {
  struct sigaction act = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO};
  sigaction(SIGALRM, &act, 0);
  alarm(1);
  return work();
}
