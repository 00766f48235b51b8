#include <execinfo.h>
#include <signal.h>
#include <unistd.h>
#include <stdlib.h>
#include <stdio.h>
static void on(int sig) { void *a[32]; int n = backtrace(a, 32); fprintf(stderr, "server: caught signal %d\n", sig); backtrace_symbols_fd(a, n, 2); signal(sig, SIG_DFL); raise(sig); }
__attribute__((noinline)) static int local_one(int *p) { int v = *p; __asm__(""); return v + 1; }
__attribute__((noinline)) int exported(int *p) { int v = local_one(p); __asm__(""); return v; }
int main(void) { signal(SIGSEGV, on); return exported(0); }
