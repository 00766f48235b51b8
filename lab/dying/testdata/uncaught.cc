// mechanism: exception
// culprit: refuse
// role: decided
// message: no such user
// says: of type std::runtime_error
#include <stdexcept>
__attribute__((noipa)) int refuse(int n) { if (n > 0) throw std::runtime_error("no such user"); return n; }
int main(int argc, char **argv) { return refuse(argc); }
