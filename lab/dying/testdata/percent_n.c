// mechanism: fortify
// culprit: report
// role: decided
// message: %n in writable segment
// says: format
// flags: -D_FORTIFY_SOURCE=2 -O2
// A format that came from outside.
#include <stdio.h>
#include <string.h>
__attribute__((noipa)) int report(const char *text) {
  int count = 0;
  char format[64];
  strcpy(format, text);
  printf(format, &count);
  return count;
}
int main(int argc, char **argv) { return report(argc > 5 ? "all is well" : "user %n gone"); }
