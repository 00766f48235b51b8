// flags: -D_FORTIFY_SOURCE=2 -O2
// mechanism: fortify
// culprit: copy
// role: decided
// message: buffer overflow detected
#include <string.h>
char to[8];
__attribute__((noipa)) void copy(const char *s, int n) { memcpy(to, s, n); }
int main(int argc, char **argv) { copy("0123456789abcdef", 12 * argc); return 0; }
