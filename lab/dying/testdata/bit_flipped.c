// mechanism: illegal_instruction
// culprit: main
// role: decided
// changed: one bit of bit_flipped at
// A bit of the code isn't in memory as it is in the file; beside it stands a breakpoint as a debugger sets it.
// The function that was flipped never returns now.
#include <sys/mman.h>
__attribute__((noipa, noinline)) void work(void) { __asm__ volatile("xchg %rax, %rax\n\t.globl flipped\nflipped:\n\t.byte 0x0f, 0x1b, 0xc0, 0x90, 0x90, 0x90"); }
extern unsigned char flipped[];
int main(int argc, char **argv) {
	unsigned char *page = (unsigned char *)((unsigned long)flipped & ~4095UL);
	mprotect(page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC);
	flipped[1] ^= 0x10; // a nop becomes ud2
	flipped[4] = 0xcc;
	mprotect(page, 8192, PROT_READ | PROT_EXEC);
	work();
	return 0;
}
