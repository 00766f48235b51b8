// mechanism: illegal_instruction
// culprit: stop
// role: decided
// says: that only the kernel may use; the instruction hlt
__attribute__((noipa)) int stop(int n) { if (n > 0) __asm__("hlt"); return n; }
int main(int argc, char **argv) { return stop(argc); }
