// mechanism: trap
// flags: -fno-omit-frame-pointer
// culprit: leaf
// role: decided
// The processor is told to trap behind each instruction, so it stops at a return: the caller is on top of the stack.
#ifdef __x86_64__
int leaf(int);
__asm__(".type leaf, @function\nleaf: pushfq; orq $0x100, (%rsp); popfq; mov %edi, %eax; ret\n.size leaf, .-leaf");
#else
__attribute__((noipa)) int leaf(int n) { __builtin_trap(); return n; }
#endif
int (*volatile called)(int) = leaf;
__attribute__((noipa)) int caller(int n) { return called(n) + 1; }
int main(int argc, char **argv) { return caller(argc); }
