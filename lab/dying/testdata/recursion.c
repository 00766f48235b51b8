// flags: -fno-optimize-sibling-calls
// mechanism: stack_overflow
// culprit: descend
// role: decided
#include <string.h>
volatile char sink;
__attribute__((noipa)) int descend(const char *s, int depth) {
	char local[64];
	memset(local, depth, sizeof local);
	sink = local[5];
	int r = descend(s + 1, depth + 1);
	sink = local[6];
	return r;
}
int main(int argc, char **argv) { return descend("", argc); }
