// mechanism: fault_write
// culprit: cut_line
// role: decided
// An index of 32 bits wraps below zero and leads nearly 4 GiB beyond its array, which is there: nothing was damaged before.
#include <stdlib.h>
__attribute__((noipa)) void cut_line(char *text, unsigned length) {
	char *last = text + (length - 1);
	__asm__("" : "+r"(last)); // the address is reckoned before it is used
	*last = 0;
}
int main(void) {
	char *text = malloc(64);
	cut_line(text, 0);
	return text[0];
}
