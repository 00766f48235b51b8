// mechanism: trap
// flags: -fno-omit-frame-pointer
// culprit: leaf
// role: decided
// A function without unwind tables dies before it has a frame of its own: the frame pointer is its caller's still.
#ifdef __x86_64__
int leaf(int);
__asm__(".type leaf, @function\nleaf: mov %edi, %eax; int3; push %rbp; mov %rsp, %rbp; pop %rbp; ret\n.size leaf, .-leaf");
#else
__attribute__((noipa)) int leaf(int n) { __builtin_trap(); return n; }
#endif
__attribute__((noipa)) int caller(int n) { return leaf(n) + 1; }
int main(int argc, char **argv) { return caller(argc); }
