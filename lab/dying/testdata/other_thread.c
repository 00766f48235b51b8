// flags: -pthread
// mechanism: abort
// culprit: give_up
// role: decided
// The process signals itself as a whole: the idle main thread may be the one that dumps.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#include <stdlib.h>
volatile int sink;
__attribute__((noipa)) void give_up(int n) { if (n > 3) kill(getpid(), SIGABRT); for (volatile int i = 0; i < 1000000000; i++) sink = n; }
void *work(void *p) { give_up(7); return 0; }
int main(int argc, char **argv) { pthread_t t; pthread_create(&t, 0, work, 0); pause(); return 0; }
