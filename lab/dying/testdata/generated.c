// mechanism: fault_null
// culprit: run
// role: decided
// says: a null pointer
// Code that was made at run time dies, and no file is behind it.
#include <string.h>
#include <sys/mman.h>
static const unsigned char code[] = {0x31, 0xc0, 0x8b, 0x00, 0xc3}; // xor %eax,%eax; mov (%rax),%eax; ret
__attribute__((noipa)) int run(int (*f)(void)) { return f() + 1; }
int main(void) {
  void *made = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(made, code, sizeof code);
  return run(made);
}
