// mechanism: abort
// culprit: order
// role: decided
// libc is on both sides: it called the culprit, which called it.
#include <stdlib.h>
__attribute__((noipa)) int order(const void *a, const void *b) { if (*(int *)a == 3) abort(); return *(int *)a - *(int *)b; }
int main(int argc, char **argv) { int v[] = {5, 4, 3, 2, 1}; qsort(v, 5, sizeof v[0], order); return v[0]; }
