// mechanism: exception
// culprit: refuse
// role: decided
// message: 4711
// says: of type int
__attribute__((noipa)) int refuse(int n) { if (n > 0) throw 4711; return n; }
int main(int argc, char **argv) { return refuse(argc); }
