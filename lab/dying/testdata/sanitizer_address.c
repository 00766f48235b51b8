// flags: -fsanitize=address
// mechanism: sanitizer
// culprit: last
// role: decided
// message: heap-use-after-free
#include <stdlib.h>
const char *__asan_default_options(void) { return "abort_on_error=1:disable_coredump=0:detect_leaks=0"; }
__attribute__((noipa)) int last(const int *p) { return p[3]; }
int main(int argc, char **argv) { int *p = malloc(16); p[3] = argc; free(p); return last(p); }
