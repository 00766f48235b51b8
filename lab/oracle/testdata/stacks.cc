// The same as stacks.c with what C++ adds: templates, lambdas, virtual calls, exceptions in flight.
#include <algorithm>
#include <cstdlib>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <semaphore.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <variant>
#include <vector>

#define OWN __attribute__((noinline))

volatile int zero;
static sem_t there;

OWN static void park()
{
	sem_post(&there);
	for (;;)
		pause();
}

namespace shapes {
struct Shape {
	virtual ~Shape() = default;
	virtual double area(double scale) const = 0;
	OWN double twice(double scale) const { return area(scale) * 2 + zero; }
};
struct Square : Shape {
	double side = 2;
	OWN double area(double scale) const override { park(); return side * side * scale; }
};
namespace {
struct Hidden : Square {
	OWN double area(double scale) const override { return Square::area(scale + 1) + zero; }
};
}
}

template <typename T, int N> struct Ring {
	T items[N] = {};
	OWN int find(const T &what, bool (*same)(const T &, const T &))
	{
		for (int i = 0; i < N; i++)
			if (same(items[i], what))
				return i;
		return -1;
	}
	Ring &operator+=(const T &item) { items[zero] = item; park(); return *this; }
	OWN explicit operator bool() const { park(); return items[0] == T(); }
};

template <typename T> OWN T largest(const std::vector<T> &v)
{
	T best = v.front();
	for (const T &x : v)
		best = std::max(best, x, [](const T &a, const T &b) { park(); return a < b; });
	return best;
}
template <typename... A> OWN int count(A... rest) { park(); return sizeof...(rest) + zero; }

struct Guard {
	OWN ~Guard() { if (!zero) park(); }
};
OWN static void throws(int depth)
{
	Guard guard;
	if (depth == 0)
		throw std::runtime_error("in flight");
	throws(depth - 1);
}

struct Made {
	int value;
	OWN Made(int v) : value(v) { park(); }
};
static std::once_flag flag;

int main()
{
	sem_init(&there, 0, 0);
	std::vector<std::function<void()>> all{
		[] { shapes::Hidden h; const shapes::Shape &s = h; zero = (int)s.twice(1.5); },
		[] { Ring<std::string, 3> r; zero = r.find("x", [](const std::string &a, const std::string &b) { park(); return a == b; }); },
		[] { Ring<int, 2> r; r += 3; zero = r.items[0]; },
		[] { Ring<long, 4> r; if (r) zero = 1; },
		[] { zero = largest(std::vector<int>{1, 2, 3}); },
		[] { zero = (int)largest<std::string>({"a", "b"}).size(); },
		[] { zero = count(1, 2.0, "three", 'c'); },
		[] { try { throws(3); } catch (const std::exception &e) { zero = e.what()[0]; } },
		[] { try { throw 42; } catch (int n) { park(); zero = n; } },
		[] { zero = std::make_unique<Made>(3)->value; },
		[] { std::call_once(flag, [] { park(); }); },
		[] { std::vector<int> v{5, 3, 9, 1}; std::sort(v.begin(), v.end(), [](int a, int b) { park(); return a < b; }); zero = v[0]; },
		[] { std::map<int, std::string> m{{1, "one"}}; for (auto &[k, v] : m) { std::for_each(v.begin(), v.end(), [k = k](char c) { park(); zero = k + c; }); } },
		[] { std::variant<int, std::string> v = "text"; zero = std::visit([](auto &&x) -> int { park(); return sizeof x; }, v); },
		[] { auto f = std::async(std::launch::async, [](int x) { park(); return x; }, 4); zero = f.get(); },
		[] { std::shared_ptr<Guard> p = std::make_shared<Guard>(); p.reset(); },
	};
	for (auto &f : all)
		std::thread(f).detach();
	for (size_t i = 0; i < all.size(); i++)
		sem_wait(&there);
	usleep(50000);
	std::abort();
}
