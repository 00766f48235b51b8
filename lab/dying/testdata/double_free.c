// mechanism: allocator_check
// culprit: release
// role: decided
// message: double free
// says: freed already
#include <stdlib.h>
__attribute__((noipa)) void release(char *a) { free(a); }
int main(int argc, char **argv) { char *a = malloc(40 + argc); release(a); release(a); return 0; }
