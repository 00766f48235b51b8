// mechanism: pure_virtual
// culprit: notify
// role: decided
#include <cstdio>
struct base;
void notify(base *b);
struct base { base() { notify(this); } virtual void changed() = 0; };
__attribute__((noipa)) void notify(base *b) { b->changed(); puts("told"); }
struct heir : base { void changed() override {} };
int main() { heir h; return 0; }
