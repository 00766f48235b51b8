#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <pthread.h>
#include <signal.h>
struct item { int n; const char *name; };
static inline __attribute__((always_inline)) int deref(int *p) { return *p + 1; }
static inline __attribute__((always_inline)) int middle(struct item *it, int *p) { return deref(p) + it->n; }
__attribute__((noinline)) int crash(struct item *it, const char *text) { return middle(it, (int *)0) + (int)strlen(text); }
__attribute__((noinline)) int recurse(struct item *it, int depth) { int r = depth ? recurse(it, depth - 1) : crash(it, "a (text) with, #3 0x1 in parens"); __asm__(""); return r + 1; }
static void *wait_for_work(void *unused) { pause(); return unused; }
int main(void) { pthread_t t; struct item it = { 4, "x" }; pthread_create(&t, 0, wait_for_work, 0); usleep(20000); return recurse(&it, 2); }
