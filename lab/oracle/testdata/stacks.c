// Every thread stands on a stack of another kind; when all have got there, the main thread aborts.
#define _GNU_SOURCE
#include <alloca.h>
#include <pthread.h>
#include <search.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define OWN __attribute__((noinline)) static
#define IN static inline __attribute__((always_inline))

volatile int zero;        // what no compiler can know
volatile unsigned long sink;
static sem_t there;

OWN void park(void)
{
	sem_post(&there);
	for (;;)
		pause();
}

// Plain calls.
OWN int calls_3(int x) { park(); return x + zero; }
OWN int calls_2(int x) { int y = calls_3(x + 1); return y * 2 + zero; }
OWN int calls_1(int x) { int y = calls_2(x + 1); return y * 3 + zero; }
static void *calls(void *a) { return (void *)(intptr_t)(calls_1(1) + zero); }

// Inlined calls, three deep, and one of them beside another.
IN int within_3(int x) { sem_post(&there); for (;;) pause(); return x; }
IN int within_2(int x) { sink += x; return within_3(x + 1) + zero; }
IN int within_1(int x) { sink += 2; return within_2(x + 1) * 3; }
OWN int around(int x)
{
	if (zero)
		return within_1(x - 1);
	return within_1(x + 1) + zero;
}
static void *inlined(void *a) { return (void *)(intptr_t)(around(1) + zero); }

// An inlined function that calls on, under another inlined one.
IN int passes_on(int x) { return calls_2(x) + 1; }
IN int passes_on_too(int x) { return passes_on(x) + zero; }
static void *inlined_caller(void *a) { sink++; return (void *)(intptr_t)(passes_on_too(4) + zero); }

// Recursion: some, and very much.
OWN int down(int n)
{
	char room[24];
	memset(room, n, sizeof room);
	if (n <= zero)
		park();
	return down(n - 1) + room[n & 15];
}
static void *recursion(void *a) { return (void *)(intptr_t)(down(30) + zero); }
static void *much_recursion(void *a) { return (void *)(intptr_t)(down(3000) + zero); }
int odd(int n);
__attribute__((noinline)) int even(int n) { if (n <= zero) park(); return odd(n - 1) + zero; }
__attribute__((noinline)) int odd(int n) { if (n <= zero) park(); return even(n - 1) * 2 + zero; }
static void *mutual_recursion(void *a) { return (void *)(intptr_t)(even(21) + zero); }

// Back from the C library.
static int compare(const void *a, const void *b) { park(); return *(const int *)a - *(const int *)b; }
static void *sorting(void *a) { int v[] = {3, 1, 2, 9, 7}; qsort(v, 5, sizeof *v, compare); return v[0] + (char *)0; }
static void *searching(void *a) { int v[] = {1, 2, 3}, k = 2; return bsearch(&k, v, 3, sizeof *v, compare); }
static void visit(const void *node, VISIT which, int depth) { park(); }
static int order(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
static void *walking(void *a)
{
	static int v[] = {2, 1, 3};
	void *tree = NULL;
	for (int i = 0; i < 3; i++)
		tsearch(&v[i], &tree, order);
	twalk(tree, visit);
	return tree;
}
static pthread_once_t once_control = PTHREAD_ONCE_INIT;
static void *once(void *a) { pthread_once(&once_control, park); return NULL; }

// Signal handlers: of one raised, of one that came between two instructions, on a stack of its own.
static void handler(int number) { park(); }
static void *raising(void *a) { raise(SIGUSR1); return (void *)(intptr_t)zero; }
OWN unsigned long spins(unsigned long x)
{
	while (!zero)
		x = x * 6364136223846793005u + 1442695040888963407u;
	return x;
}
static void *interrupted(void *a) { sem_post(&there); return (void *)spins(1); }
static void *interrupted_elsewhere(void *a)
{
	stack_t own = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
	sigaltstack(&own, NULL);
	sem_post(&there);
	return (void *)(spins(2) + 1);
}

// The last thing that a function does is a call.
OWN int last_3(int x) { park(); return x; }
OWN int last_2(int x) { sink += x; return last_3(x + 1); }
OWN int last_1(int x) { sink += 2; return last_2(x + 1); }
static void *last_calls(void *a) { return (void *)(intptr_t)(last_1(1) + zero); }

// Frames whose size only the running program knows, and aligned ones.
OWN int of_any_size(int n)
{
	char v[n];
	memset(v, 1, n);
	char *w = alloca(n + zero + 3);
	memset(w, 2, n);
	park();
	return v[zero] + w[zero];
}
static void *any_size(void *a) { return (void *)(intptr_t)(of_any_size(1000 + zero) + zero); }
OWN int is_aligned(int n)
{
	_Alignas(128) char v[256];
	memset(v, n, sizeof v);
	char *w = alloca(n);
	memset(w, 2, n);
	park();
	return v[zero] + w[zero];
}
static void *aligned(void *a) { return (void *)(intptr_t)(is_aligned(99 + zero) + zero); }
OWN int is_big(int n) { volatile char v[100000]; v[n] = 1; park(); return v[n + zero]; }
static void *big(void *a) { return (void *)(intptr_t)(is_big(5) + zero); }

// A call that never comes back is the end of its function's code.
__attribute__((noreturn, noinline)) static void forever(int x) { sink += x; park(); __builtin_unreachable(); }
__attribute__((noreturn, noinline)) static void never_back(int x) { sink += x; forever(x + 1); }
static void *no_return(void *a) { sink++; never_back(1); }

// Rare code lies elsewhere.
__attribute__((cold, noinline)) static void rarely(int x) { sink += x; park(); sink++; }
OWN int hot_and_cold(int x)
{
	if (__builtin_expect(x > 3, 0)) {
		sink += 7;
		rarely(x);
		sink += 8;
	}
	return x + zero;
}
static void *cold(void *a) { return (void *)(intptr_t)(hot_and_cold(4 + zero) + zero); }

// Copies of a function that were made for one constant.
OWN int specialised(int x, int how) { if (how == 3) park(); return x * how + zero; }
static void *copies(void *a) { return (void *)(intptr_t)(specialised(zero, 3) + specialised(zero + 1, 3)); }

// Through a pointer, with many arguments on the stack.
typedef long (*many_t)(long, long, long, long, long, long, long, long, long);
OWN long many(long a, long b, long c, long d, long e, long f, long g, long h, long i) { park(); return a + b + c + d + e + f + g + h + i + zero; }
static many_t volatile through = many;
static void *pointer(void *a) { return (void *)(through(1, 2, 3, 4, 5, 6, 7, 8, zero) + zero); }

// A coroutine: its stack does not begin where a thread's does.
static void coroutine(void) { calls_3(2); }
static void *context(void *a)
{
	ucontext_t here, other;
	getcontext(&other);
	other.uc_stack.ss_sp = malloc(1 << 16);
	other.uc_stack.ss_size = 1 << 16;
	other.uc_link = &here;
	makecontext(&other, coroutine, 0);
	swapcontext(&here, &other);
	return NULL;
}

// Caught anywhere: in prologues and epilogues, in the C library, in the vDSO, in the PLT.
OWN unsigned long step_3(unsigned long x) { volatile char v[40]; v[x & 31] = x; return x * 3 + v[x & 31]; }
OWN unsigned long step_2(unsigned long x) { unsigned long y = step_3(x), z = step_3(y); return y ^ z; }
OWN unsigned long step_1(unsigned long x) { return step_2(x) + step_2(x + 1) * x; }
static void *running(void *a) { sem_post(&there); for (unsigned long x = 1;;) sink += x = step_1(x); }
static void *running_libc(void *a)
{
	static char text[300], copy[300];
	memset(text, 'x', 299);
	sem_post(&there);
	for (;;) {
		memcpy(copy, text, 200 + zero);
		sink += strlen(copy) + strtoul("123456", NULL, 10) + (unsigned long)getppid();
		snprintf(copy, sizeof copy, "%d %s", zero, "text");
	}
}
static void *running_vdso(void *a)
{
	struct timespec now;
	sem_post(&there);
	for (;;) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		sink += now.tv_nsec;
	}
}

static void *(*const all[])(void *) = {
	calls, inlined, inlined_caller, recursion, much_recursion, mutual_recursion, sorting, searching, walking, once,
	raising, last_calls, any_size, aligned, big, no_return, cold, copies, pointer, context, running, running_libc,
	running_vdso, interrupted, interrupted_elsewhere,
};
#define COUNT (int)(sizeof all / sizeof *all)

int main(void)
{
	pthread_t threads[COUNT];
	struct sigaction on = {.sa_handler = handler}, elsewhere = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
	sigaction(SIGUSR1, &on, NULL);
	sigaction(SIGUSR2, &elsewhere, NULL);
	sem_init(&there, 0, 0);
	for (int i = 0; i < COUNT; i++)
		pthread_create(&threads[i], NULL, all[i], NULL);
	for (int i = 0; i < COUNT; i++)
		sem_wait(&there);
	pthread_kill(threads[COUNT - 2], SIGUSR1);
	pthread_kill(threads[COUNT - 1], SIGUSR2);
	sem_wait(&there);
	sem_wait(&there);
	usleep(50000);
	abort();
}
