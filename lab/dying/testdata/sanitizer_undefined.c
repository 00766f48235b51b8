// flags: -fsanitize=undefined -fno-sanitize-recover=all
// mechanism: sanitizer
// culprit: shift
// role: decided
// message: runtime error: shift exponent 40 is too large
const char *__ubsan_default_options(void) { return "abort_on_error=1"; }
__attribute__((noipa)) int shift(int n, int by) { return n << by; }
int main(int argc, char **argv) { return shift(argc, 39 + argc); }
