// flags: -fstack-protector-all
// mechanism: stack_protector
// culprit: field
// role: decided
// message: stack smashing detected
#include <string.h>
volatile int sink;
__attribute__((noipa)) void field(const char *s, int n) { char name[16]; memcpy(name, s, n); sink = name[3]; }
__attribute__((noipa)) void form(const char *s, int n) { field(s, n); sink++; }
int main(int argc, char **argv) { char big[200]; memset(big, 'A', sizeof big); form(big, 100 * argc); return 0; }
