// mechanism: fault_read
// culprit: follow
// role: victim
// says: the link that glibc keeps in freed memory
#include <stdlib.h>
struct node { struct node *next; long value; };
struct node *list[3];
__attribute__((noipa)) long follow(struct node *n) { return n->next->value; }
int main(int argc, char **argv) {
	for (int i = 0; i < 3; i++) list[i] = malloc(sizeof **list);
	for (int i = 0; i < 3; i++) free(list[i]);
	return follow(list[2]);
}
