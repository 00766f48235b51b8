// mechanism: allocator_check
// culprit: grow
// role: victim
// message: malloc()
#include <stdlib.h>
#include <string.h>
__attribute__((noipa)) void spill(char *a, int n) { memset(a, 0x41, n); }
__attribute__((noipa)) void *grow(int n) { return malloc(n); }
int main(int argc, char **argv) { char *a = malloc(24); spill(a, 24 + 40 * argc); return grow(5000) == 0; }
