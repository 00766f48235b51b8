// mechanism: fault_read
// culprit: follow
// role: victim
// says: the mark that glibc writes into freed memory
#include <stdlib.h>
struct node { long value; struct node *next; };
struct node *first;
__attribute__((noipa)) long follow(struct node *n) { return n->next->value; }
int main(int argc, char **argv) { first = malloc(sizeof *first); free(first); return follow(first); }
