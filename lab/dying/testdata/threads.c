// flags: -pthread
// mechanism: assertion
// culprit: work
// role: decided
#include <assert.h>
#include <pthread.h>
#include <unistd.h>
#include <poll.h>
#include <semaphore.h>
sem_t never;
pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
void *sleeper(void *p) { poll(0, 0, 100000); return 0; }
void *waiter(void *p) { sem_wait(&never); return 0; }
void *locker(void *p) { pthread_mutex_lock(&lock); return 0; }
__attribute__((noipa)) void *work(void *p) { usleep(50000); assert(p == &never); return 0; }
int main(int argc, char **argv) {
	pthread_t t;
	pthread_mutex_lock(&lock);
	sem_init(&never, 0, 0);
	pthread_create(&t, 0, sleeper, 0);
	pthread_create(&t, 0, waiter, 0);
	pthread_create(&t, 0, locker, 0);
	pthread_create(&t, 0, work, 0);
	pthread_join(t, 0);
	return 0;
}
