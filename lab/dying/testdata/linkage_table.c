// flags: -fplt -no-pie -Wl,-z,lazy -fcf-protection=none
// mechanism: fault_execute
// culprit: greet
// role: victim
// says: no memory can have such an address
// The call dies in the linkage table, whose slot was overwritten.
#include <stdlib.h>
extern void *_GLOBAL_OFFSET_TABLE_[];
__attribute__((noipa)) void greet(const char *name) { system(name); atoi(name); }
int main(int argc, char **argv) {
	for (int i = 3; i < 5; i++) _GLOBAL_OFFSET_TABLE_[i] = (void *)0x4141414141414141;
	greet("you");
	return 0;
}
