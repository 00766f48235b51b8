// mechanism: fault_write
// culprit: cut_line
// role: victim
// A pointer was damaged, and leads further beyond the array beside it than an index of 32 bits that wrapped could.
#include <stdlib.h>
__attribute__((noipa)) void cut_line(char *text, char *last) { *last = 0; }
int main(void) {
	char *text = malloc(64);
	cut_line(text, text + (5L << 30));
	return text[0];
}
