// flags: -fno-optimize-sibling-calls
// mechanism: stack_overflow
// culprit: value
// role: decided
// Nested input: the functions call each other in the order of the input, and value was entered first.
volatile int sink;
int value(unsigned seed);
__attribute__((noipa)) int list(unsigned seed) { int r = value(seed * 1103515245 + 12345); sink += r; return r; }
__attribute__((noipa)) int object(unsigned seed) { int r = value(seed * 1103515245 + 12345); sink -= r; return r + 1; }
__attribute__((noipa)) int value(unsigned seed) { int r = (seed >> 16) % 3 ? list(seed) : object(seed); sink ^= r; return r; }
__attribute__((noipa)) int document(unsigned seed) { int r = value(seed); sink = r; return r; }
int main(int argc, char **argv) { return document(argc); }
