// mechanism: stack_overflow
// culprit: expand
// role: decided
volatile int sink;
__attribute__((noipa)) int expand(long n) { char local[n]; local[0] = 1; local[n / 2] = 2; sink = local[n - 1]; return local[0]; }
int main(int argc, char **argv) { return expand(argc * 9000000L); }
