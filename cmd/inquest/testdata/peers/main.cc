// A daemon with seven threads, each deep in functions of several units. It dies once all are there. It holds
// 64 MB, and HOLE bytes more of which it writes a page in a gigabyte: the kernel leaves the rest out of a core
// as a hole, and writes nothing at all of a mapping that was never written to.
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>
#include <sys/mman.h>
#include <unistd.h>

int unit0(int), unit1(int), unit2(int), unit3(int), unit4(int), unit5(int), unit6(int), unit7(int);
int (*const units[])(int) = {unit0, unit1, unit2, unit3, unit4, unit5, unit6, unit7};
std::atomic<int> arrived;

int step(int depth) {
  if (depth > 0)
    return units[depth / 8 % 8](depth) + 1;
  for (arrived++;;)
    pause();
}

int main() {
  memset(malloc(64 << 20), 'x', 64 << 20);
  if (const char *hole = getenv("HOLE")) {
    size_t size = strtoull(hole, nullptr, 10);
    char *sparse = (char *)mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    for (size_t at = 0; at < size; at += 1 << 30)
      sparse[at] = 'x';
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; i++)
    threads.emplace_back([i] { step(30 + i); });
  while (arrived < 6)
    usleep(1000);
  abort();
}
