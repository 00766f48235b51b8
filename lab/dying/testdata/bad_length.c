// mechanism: fault_read
// culprit: copy_value
// role: decided
// A length of -1 leads a copy far beyond its source, which is there: nothing was damaged before.
#include <stdlib.h>
#include <string.h>
__attribute__((noipa)) unsigned length_of(const unsigned char *field) { return field[0] - 2u; }
__attribute__((noipa)) void copy_value(char *to, const unsigned char *field) { memcpy(to, field + 1, length_of(field)); }
int main(void) {
	static const unsigned char field[] = {1, 'x'};
	char *to = malloc(64);
	copy_value(to, field);
	return to[0];
}
