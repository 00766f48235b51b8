// mechanism: fault_null
// culprit: dispatch
// role: decided
struct module { int id; int (*handle)(int); } table[4];
__attribute__((noipa)) int dispatch(int n) { return table[n].handle(n) + 1; }
int main(int argc, char **argv) { return dispatch(argc + 1); }
