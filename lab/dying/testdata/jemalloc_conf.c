// flags: -Wl,--no-as-needed -l:libjemalloc.so.2
// mechanism: abort
// message: <jemalloc>: Abort (abort_conf:true)
#include <stdlib.h>
const char *malloc_conf = "abort_conf:true,nonsense:1";
int main(int argc, char **argv) { return malloc(argc) == 0; }
