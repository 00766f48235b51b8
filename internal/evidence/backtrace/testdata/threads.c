#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
#include <string.h>
static void *w(void*p){ pause(); return p; }
__attribute__((noinline)) void die(const char *s,int n){ if(n) die("paren ) in ( text",n-1); else abort(); __asm__(""); }
int main(){ pthread_t t; pthread_create(&t,0,w,0); usleep(10000); die("x",2); }
