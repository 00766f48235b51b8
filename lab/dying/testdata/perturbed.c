// mechanism: fault_write
// culprit: store
// role: victim
// says: it looks like a fill
#include <malloc.h>
#include <stdlib.h>
struct node { long value, more; struct node *next; long last; };
struct node *first;
__attribute__((noipa)) void store(struct node *n) { n->next->value = 1; }
int main(int argc, char **argv) { mallopt(M_PERTURB, 0xe1); first = malloc(sizeof *first); free(first); store(first); return 0; }
