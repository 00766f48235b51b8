// mechanism: fault_read
// culprit: follow
// role: victim
// says: by rbp, which held 0x3a2f2f3a70747468
// A pointer that can't be, in rbp: the processor takes it for a stack's, and Linux sends SIGBUS without an address.
__attribute__((noipa)) long follow(long p) {
	long v;
	__asm__ volatile("push %%rbp\n\tmov %1, %%rbp\n\tmov 8(%%rbp), %0\n\tpop %%rbp" : "=&a"(v) : "D"(p));
	return v;
}
int main(int argc, char **argv) { return follow(0x3a2f2f3a70747468); }
