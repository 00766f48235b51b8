// Two threads; the main one dies, or, given an argument, the other.
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((noinline)) void die(const char *s, int n)
{
	if (n)
		die("paren ) in ( text", n - 1);
	else
		abort();
	__asm__(""); // no tail call
}

static void *other(void *dies)
{
	if (dies)
		die("x", 2);
	pause();
	return dies;
}

int main(int argc, char **argv)
{
	pthread_t t;
	pthread_create(&t, 0, other, argc > 1 ? argv : 0);
	usleep(argc > 1 ? 10000000 : 10000);
	die("x", 2);
}
