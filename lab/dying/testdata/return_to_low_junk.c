// flags: -fno-stack-protector -fcf-protection=none
// mechanism: fault_execute
// culprit: field
// role: decided
#include <string.h>
volatile int sink;
// The junk is a canonical address: the fault comes after the return, with the program counter nowhere.
__attribute__((noipa)) void field(const char *s, int n) { char name[16]; memcpy(name, s, n); sink = name[3]; }
__attribute__((noipa)) void form(const char *s, int n) { field(s, n); sink++; }
int main(int argc, char **argv) {
	char big[200];
	for (int i = 0; i < 200; i += 8) memcpy(big + i, "ABCDE\0\0\0", 8);
	form(big, 100 * argc);
	return 0;
}
