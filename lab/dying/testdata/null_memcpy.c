// mechanism: fault_null
// culprit: append
// role: decided
#include <string.h>
char text[100];
__attribute__((noipa)) void append(char *to, unsigned long n) { memcpy(to, text, n); text[0]++; }
int main(int argc, char **argv) { append(argc > 5 ? text : 0, 50 * argc); return 0; }
