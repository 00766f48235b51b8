// mechanism: abort
// culprit: refuse
// role: decided
#include <stdexcept>
__attribute__((noipa)) int refuse(int n) { if (n > 0) throw std::runtime_error("no"); return n; }
int main(int argc, char **argv) { return refuse(argc); }
