// flags: -lm
// mechanism: arithmetic
// culprit: ratio
// role: decided
// says: a floating-point exception that it had asked for
#define _GNU_SOURCE
#include <fenv.h>
__attribute__((noipa)) double ratio(double a, double b) { return a / b; }
int main(int argc, char **argv) { feenableexcept(FE_DIVBYZERO); return ratio(argc, argc - 1); }
