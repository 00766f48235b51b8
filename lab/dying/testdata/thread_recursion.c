// flags: -fno-optimize-sibling-calls -pthread
// mechanism: stack_overflow
// culprit: descend
// role: decided
#include <pthread.h>
#include <unistd.h>
volatile int sink;
__attribute__((noipa)) int descend(int n) { volatile char local[200]; local[3] = n; int r = descend(n + 1); sink = local[3]; return r; }
void *work(void *p) { descend(0); return 0; }
int main(int argc, char **argv) { pthread_t t; pthread_create(&t, 0, work, 0); pause(); return 0; }
