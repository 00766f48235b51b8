// mechanism: assertion
// culprit: decide
// role: decided
// message: x <= 5
// The callback by which a check fails takes itself back before it dies, lest it be called again for what it does.
// Seen in BIND: its isc_assertion_failed calls what isc_assertion_setcallback was told.
#include <stdio.h>
#include <stdlib.h>
__attribute__((noipa)) void harmless(const char *file, int line, const char *text) { fprintf(stderr, "%s\n", text); }
void (*callback)(const char *, int, const char *);
__attribute__((noipa)) void report(const char *file, int line, const char *text) { fprintf(stderr, "%s:%d: %s\n", file, line, text); }
__attribute__((noipa, noreturn)) void fail(const char *file, int line, const char *text) {
	callback = harmless;
	report(file, line, text);
	if (getenv("NO_CORE"))
		exit(1);
	abort();
}
__attribute__((noipa, noreturn)) void failed(const char *file, int line, const char *text) {
	callback(file, line, text);
	abort();
}
__attribute__((noipa)) int decide(int x) { if (x > 5) failed("decide.c", 27, "x <= 5"); return x; }
int main(int argc, char **argv) { callback = fail; return decide(argc + 9) + 1; }
