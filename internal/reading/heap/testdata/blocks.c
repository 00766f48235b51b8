// blocks takes and gives back blocks of all kinds, in the main thread and in others, writes down each with what
// became of it, and dies. Built with OVERRUN it writes beyond some blocks' ends first.
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static FILE *truth;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t barrier;

static void *note(const char *fate, void *block)
{
	pthread_mutex_lock(&lock);
	fprintf(truth, "%s %p %zu\n", fate, block, malloc_usable_size(block));
	pthread_mutex_unlock(&lock);
	return block;
}

static void drop(const char *fate, void *block)
{
	note(fate, block);
	free(block);
}

// blocks of one size, each followed by one that stays
static void row(const char *fate, int count, size_t size)
{
	void *all[64];
	for (int i = 0; i < count; i++) {
		all[i] = malloc(size);
		memset(all[i], 0x41 + i, size);
		memset(note("live", malloc(24)), 0x21, 24);
	}
	for (int i = 0; i < count; i++)
		drop(fate, all[i]);
}

static void everything(unsigned seed)
{
	row("cached", 7, 40);
	row("cached", 3, 1000);
	row("listed", 12, 72);   // seven in the cache, five in a fast bin, until something sorts those
	row("free", 9, 1500);    // unsorted, then in large bins
	row("free", 12, 2500);
	void *big = malloc(5000); // sorts what is unsorted
	memset(note("live", big), 1, 5000);
	void *neighbours[3];
	for (int i = 0; i < 3; i++)
		neighbours[i] = malloc(3000);
	note("live", malloc(10));
	drop("free", neighbours[0]);
	drop("merged", neighbours[1]);
	drop("merged", neighbours[2]);
	for (int i = 0; i < 2000; i++) {
		size_t size = rand_r(&seed) % 3000;
		void *b = malloc(size);
		memset(b, rand_r(&seed), size);
		if (rand_r(&seed) % 3)
			note("live", b);
		else
			drop("any", b);
	}
	void *aligned = memalign(4096, 700);
	memset(note("live", aligned), 2, 700);
	for (int i = 0; i < 4; i++)
		memset(note("live", malloc(200000 + 70000 * i)), 3 + i, 1000);
	memset(note("live", memalign(65536, 400000)), 9, 1000);
}

#ifdef OVERRUN
// writes so many bytes beyond a block, of which many like it are around
static void overrun(size_t size, int beyond, char byte)
{
	char *blocks[200];
	for (int i = 0; i < 200; i++)
		blocks[i] = malloc(size);
	for (int i = 0; i < 200; i++)
		note(i == 101 ? "lost" : "live", blocks[i]);
	note("overrun", blocks[100]);
	memset(blocks[100], 'x', size);
	memset(blocks[100] + malloc_usable_size(blocks[100]), byte, beyond);
}
#endif

static void *worker(void *argument)
{
	everything((size_t)argument);
#ifdef OVERRUN
	if ((size_t)argument == 3)
		overrun(1000, 30, 'x');
#endif
	if ((size_t)argument == 2) // more than a heap of 64 MiB holds
		for (int i = 0; i < 900; i++)
			memset(note("live", malloc(100000)), i, 64);
	row("cached", 14, 88); // seven in the cache, the others in a fast bin: nothing sorts those any more
	pthread_barrier_wait(&barrier);
	for (;;)
		pause();
}

int main(void)
{
	truth = fopen("truth", "w");
	setvbuf(truth, NULL, _IOFBF, 1 << 16);
	pthread_barrier_init(&barrier, NULL, 4);
	everything(1);
	for (size_t i = 2; i < 5; i++) {
		pthread_t t;
		pthread_create(&t, NULL, worker, (void *)i);
	}
	pthread_barrier_wait(&barrier);
#ifdef OVERRUN
	overrun(56, 16, 'x');
	everything(7);
	overrun(264, 1, 0);
	everything(8);
	overrun(57, 1, 'x');
	char *last;
	for (int i = 0; i < 10; i++) // so many are only at the heap's end
		last = memset(note("live", malloc(60000)), i, 60000);
	note("overrun", last);
	memset(last, 'x', malloc_usable_size(last) + 8);
#else
	row("cached", 14, 88);
#endif
	fflush(truth);
	abort();
}
