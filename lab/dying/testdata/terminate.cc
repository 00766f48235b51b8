// mechanism: exception
// culprit: give_up
// role: decided
// says: no exception was under way
#include <exception>
#include <stdexcept>
__attribute__((noipa)) void give_up(int n) { if (n > 0) std::terminate(); }
int main(int argc, char **argv) {
  try { if (argc > 0) throw std::runtime_error("caught"); } catch (...) { }
  give_up(argc);
}
