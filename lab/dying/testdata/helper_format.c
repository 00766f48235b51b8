// mechanism: abort
// culprit: decide
// role: decided
// message: impossible state 14 of upstream
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
__attribute__((noipa, noreturn)) void panic(const char *format, ...) {
	char text[200];
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	write(2, text, n);
	abort();
}
__attribute__((noipa)) int decide(int x, const char *who) { if (x > 5) panic("impossible state %d of %s\n", x, who); return x; }
int main(int argc, char **argv) { return decide(argc + 13, "upstream") + 1; }
