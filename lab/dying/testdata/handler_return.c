// mechanism: fault_read
// culprit: route
// role: victim
// The handler raises its signal again, which is blocked until it returns: nothing of it is on the stack.
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
struct request { const char *uri; int length; };
static void report(int signal_number) {
  static const char text[] = "crashed\n";
  if (write(2, text, sizeof text - 1) < 0) return;
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}
__attribute__((noipa)) int route(const struct request *r) { return r->uri[r->length]; }
int main(void) {
  signal(SIGSEGV, report);
  struct request r = {(const char *)0x4142434445464748, 5};
  return route(&r);
}
