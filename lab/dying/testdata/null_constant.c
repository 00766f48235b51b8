// mechanism: fault_null
// culprit: finish
// role: decided
// says: a null pointer
// The compiler knew that the pointer was null, and the address stands in the code.
#include <stddef.h>
struct conn { long id; int state; };
__attribute__((noipa)) int finish(int n) {
  volatile struct conn *c = NULL;
  if (n > 5) c->state = n;
  return n;
}
int main(int argc, char **argv) { return finish(argc + 7); }
