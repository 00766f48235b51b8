// mechanism: assertion
// culprit: parse
// role: decided
// message: Assertion `length < 10' failed.
#include <assert.h>
__attribute__((noipa)) int parse(int length) { assert(length < 10); return length; }
int main(int argc, char **argv) { return parse(argc * 100) + 1; }
