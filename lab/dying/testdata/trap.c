// mechanism: illegal_instruction
// culprit: unreachable
// role: decided
// says: the instruction ud2
__attribute__((noipa)) int unreachable(int n) { if (n > 3) return 1; __builtin_trap(); }
int main(int argc, char **argv) { return unreachable(argc); }
