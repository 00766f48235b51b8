// mechanism: arithmetic
// culprit: share
// role: decided
// says: has no room in the register
#include <limits.h>
__attribute__((noipa)) int share(int total, int parts) { return total / parts; }
int main(int argc, char **argv) { return share(INT_MIN, argc - 2); }
