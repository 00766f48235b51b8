// mechanism: abort
// culprit: on_alarm
// role: decided
// A watchdog ends a program that hangs: its timer's handler decides, and what it interrupted has only hung.
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
static volatile int turns;
void on_alarm(int n) { if (turns != n) abort(); }
__attribute__((noipa)) void hang(void) { for (;;) turns++; }
int main(void) {
  signal(SIGALRM, on_alarm);
  alarm(1);
  hang();
}
