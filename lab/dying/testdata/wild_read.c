// mechanism: fault_read
// culprit: follow
// role: victim
// says: it reads as text, "HGFEDCBA"
struct node { long value; struct node *next; } nodes[2];
__attribute__((noipa)) long follow(struct node *n) { return n->next->value; }
int main(int argc, char **argv) { nodes[0].next = (struct node *)0x4142434445464748L; return follow(nodes); }
