// mechanism: stack_overflow
// culprit: parse
// role: decided
// A local array of a size that input tells, far larger than the stack.
#include <alloca.h>
#include <string.h>
__attribute__((noipa)) int parse(int n) { char *p = alloca(n); memset(p, 1, n); return p[n / 2]; }
int main(int argc, char **argv) { return parse(argc * (200 << 20)); }
