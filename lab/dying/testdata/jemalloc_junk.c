// flags: -Wl,--no-as-needed -l:libjemalloc.so.2
// mechanism: fault_read
// culprit: follow
// role: victim
// says: what jemalloc fills memory with
#include <stdlib.h>
const char *malloc_conf = "junk:true";
struct node { long value, more; struct node *next; };
struct node *first;
__attribute__((noipa)) long follow(struct node *n) { return n->next->more; }
int main(int argc, char **argv) { first = malloc(sizeof *first); free(first); return follow(first); }
