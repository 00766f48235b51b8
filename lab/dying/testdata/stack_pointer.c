// mechanism: fault_write
// culprit: enter
// role: victim
// says: by rsp, which held 0x0000122334455660
// A coroutine's stack that was never there: the stack pointer lies outside every mapping.
__attribute__((noipa)) void enter(long stack) { __asm__ volatile("mov %0, %%rsp\n\tpush %%rax" ::"r"(stack)); }
int main(int argc, char **argv) { enter(0x122334455660); return 0; }
