// mechanism: exception
// culprit: reply
// role: decided
// message: no reply
// says: of type std::logic_error
// The function that threw is told; the one that lets nothing out called it.
#include <stdexcept>
volatile int tries;
struct session { __attribute__((noipa)) void close() noexcept { tries++; reply(3); tries++; } __attribute__((noipa)) void reply(int n) { if (n > 2) throw std::logic_error("no reply"); } };
int main(int argc, char **argv) { session s; s.close(); return 0; }
