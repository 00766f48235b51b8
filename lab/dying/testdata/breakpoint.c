// mechanism: trap
// culprit: check
// role: decided
// says: the instruction int3
__attribute__((noipa)) int check(int n) { if (n > 0) __asm__("int3"); return n; }
int main(int argc, char **argv) { return check(argc); }
