// mechanism: abort
// culprit: translate
// role: decided
#include <stdlib.h>
__attribute__((noipa)) int translate(int code) {
	switch (code) {
	case 1: return 10;
	case 2: return 20;
	case 3: return 35;
	}
	abort();
}
__attribute__((noipa)) int resolve(int code) { return translate(code) + 1; }
int main(int argc, char **argv) { return resolve(argc + 4); }
