// compiler: musl-gcc
// mechanism: assertion
// culprit: resize
// role: decided
// message: n < 10
#include <assert.h>
__attribute__((noipa)) int resize(int n) { assert(n < 10); return n; }
int main(int argc, char **argv) { return resize(argc + 20); }
