// flags: -Wl,--no-as-needed -l:libjemalloc.so.2
// mechanism: fault_read
// culprit: release
// role: victim
// says: that was in malloc or free
#include <stdlib.h>
__attribute__((noipa)) int release(void *p) { free(p); return 1; }
int main(int argc, char **argv) { return release((void *)0x122334455660); }
