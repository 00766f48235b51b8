// mechanism: abort
// culprit: decide
// role: decided
// The helper's unlikely part lies elsewhere; the helper goes there, comes back, and goes there again to die.
#include <stdio.h>
#include <stdlib.h>
int traces, level;
__attribute__((noipa)) int trace(void) { return traces - 1; }
__attribute__((noipa, cold)) void complain(const char *text) { fputs(text, stderr); }
__attribute__((noipa)) void note(int kind) { fprintf(stderr, "kind %d\n", kind); }
__attribute__((noipa, noreturn)) void leave(int kind) { note(kind); exit(kind); }
__attribute__((noipa, noreturn)) void finish(int kind) {
	note(kind);
	if (level++ == 0 && trace() < 0)
		complain("no backtrace\n");
	level--;
	if (kind < 5 && getenv("NO_CORE"))
		leave(kind);
	if (kind == 7)
		leave(kind);
	abort();
}
__attribute__((noipa, noreturn)) void finish_panic(int kind) { finish(kind + 1); }
void (*handler)(int) = finish_panic;
__attribute__((noipa, noreturn)) void panic(int kind) {
	handler(kind);
	abort();
}
__attribute__((noipa)) int decide(int x) { if (x > 5) panic(x); return x; }
int main(int argc, char **argv) { return decide(argc + 9) + 1; }
