// flags: -static
// mechanism: abort
// culprit: translate
// role: decided
#include <stdlib.h>
__attribute__((noipa)) int translate(int code) { if (code < 3) return 10; abort(); }
__attribute__((noipa)) int resolve(int code) { return translate(code) + 1; }
int main(int argc, char **argv) { return resolve(argc + 4); }
