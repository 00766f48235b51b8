// mechanism: sanitizer
// culprit: pick
// role: decided
// message: out-of-bounds
// What clang -fsanitize=bounds -fsanitize-trap writes for check 18.
__attribute__((noipa)) int pick(int n) { if (n > 0) __asm__(".byte 0x67, 0x0f, 0xb9, 0x40, 0x12"); return n; }
int main(int argc, char **argv) { return pick(argc); }
