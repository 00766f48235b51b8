// One of the daemon's units. Its templates are its own, so that each unit has megabytes of debug information.
#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

int step(int depth);

namespace {

template <int N> struct Key {
  std::string name;
  int values[N + 1];
  bool operator<(const Key &other) const { return name < other.name; }
};

template <int N> int fill(int depth) {
  std::map<Key<N>, std::vector<Key<N>>> held;
  Key<N> key{"key", {depth}};
  held[key].push_back(key);
  auto &keys = held.begin()->second;
  std::sort(keys.begin(), keys.end(), [](const Key<N> &a, const Key<N> &b) { return b < a; });
  std::function<int(int)> next = [&](int d) {
    if constexpr (N > 0)
      if (d % 8 != 0)
        return fill<N - 1>(d);
    return step(d);
  };
  return next(depth - 1) + int(held.size());
}

} // namespace

int UNIT(int depth) { return fill<8>(depth); }
