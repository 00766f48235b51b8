// mechanism: limit
// culprit: spin
// role: decided
// says: limit of processor time
#include <sys/resource.h>
volatile unsigned sink;
__attribute__((noipa)) void spin(void) { for (;;) sink++; }
int main(int argc, char **argv) { struct rlimit l = {1, 5}; setrlimit(RLIMIT_CPU, &l); spin(); return 0; }
