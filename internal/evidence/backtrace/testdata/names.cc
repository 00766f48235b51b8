#include <map>
#include <string>
#include <functional>
#include <cstdlib>
namespace { struct Handler { template <class T> int operator()(T const &v) const { if (v.size()) abort(); return 1; } }; }
namespace store { template <class K, class V> struct Table { std::map<K, V> m; V &at(K k) { return m[k]; } bool operator<(int n) const { std::function<int(std::string)> f = [n](std::string s) { return Handler()(s) + n; }; return f("(x)") < n; } }; }
int main() { store::Table<std::string, std::pair<int, long>> t; t.at("k"); return t < 3; }
