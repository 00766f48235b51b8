// mechanism: abort
// culprit: serve
// role: decided
#include <stdlib.h>
#include <unistd.h>
// An event loop never returns either, and is no helper.
__attribute__((noipa)) void serve(int n) { for (;;) { if (getppid() && ++n > 10) abort(); usleep(10); } }
int main(int argc, char **argv) { serve(argc); return 0; }
