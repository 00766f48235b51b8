// mechanism: abort
// culprit: decide
// role: decided
#include <stdio.h>
#include <stdlib.h>
#include <stdarg.h>
__attribute__((noipa)) void out(const char *format, va_list ap) { vfprintf(stderr, format, ap); }
__attribute__((noipa)) void last_words(int code) { if (code > 2) fputs("bad", stderr); abort(); }
__attribute__((noipa)) void fatal(const char *format, ...) {
	va_list ap;
	va_start(ap, format);
	out(format, ap);
	va_end(ap);
	last_words(format[0]);
}
__attribute__((noipa)) int decide(int x) { if (x > 5) fatal("impossible: %d\n", x); return x; }
int main(int argc, char **argv) { return decide(argc + 9) + 1; }
