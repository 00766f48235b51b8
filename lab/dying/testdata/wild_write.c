// mechanism: fault_write
// culprit: store
// role: victim
struct node { long value; long *to; } nodes[2];
__attribute__((noipa)) void store(struct node *n) { *n->to = 7; }
int main(int argc, char **argv) { nodes[0].to = (long *)0x122334455000L; store(nodes); return 0; }
