// flags: -Wl,--no-as-needed -l:libtcmalloc_minimal.so.4
// mechanism: allocator_check
// culprit: release
// role: victim
// message: Attempt to free invalid pointer
#include <stdlib.h>
__attribute__((noipa)) int release(void *p) { free(p); return 1; }
int main(int argc, char **argv) { return release((void *)0x122334455660); }
