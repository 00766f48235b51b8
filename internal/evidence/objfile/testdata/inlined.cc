// Functions that are inlined into others, in several files, namespaces and a template of a local type.
#include <algorithm>
#include <cstdlib>
#include <vector>

namespace {
int tail(int x) { return x > 3 ? std::abs(x - 7) : x; }
}  // namespace

namespace outer {
struct Counter {
  int n = 0;
  void add(int x) { n += tail(x); }
  int total() const;
};
__attribute__((noinline)) int Counter::total() const { return n; }
template <typename F>
int apply(F f, int n) {
  int sum = 0;
  for (int i = 0; i < n; i++) sum += f(i);
  return sum;
}
}  // namespace outer

static int sorted(std::vector<int> &v, int pivot) {
  std::sort(v.begin(), v.end(), [pivot](int a, int b) { return (a ^ pivot) < (b ^ pivot); });
  return v.front();
}

int main(int argc, char **argv) {
  std::vector<outer::Counter> counters(argc);
  for (int i = 0; i < argc; i++) counters[i].add(i);
  std::vector<int> v(argc * 3, argc);
  int sum = outer::apply([&](int i) { return i < argc ? counters[i].total() : i; }, argc + 2);
  return sorted(v, sum) + sum == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
