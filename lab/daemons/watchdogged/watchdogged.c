/* watchdogged: keeps jobs for others to do. The work is done by a worker, whom a supervisor watches: one that
 * gives no sign of life in time hangs, and is made to leave a core and replaced. */
#define _GNU_SOURCE
#include "queue.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RESTART_S = 2 }; /* a worker that dies at once must not take all the machine's time */

static pid_t start_worker(int listener, const char *journal, int *pulse)
{
	int ends[2];
	pid_t pid;

	if (pipe(ends) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		_exit(queue_serve(listener, journal, ends[1]));
	}
	close(ends[1]);
	*pulse = ends[0];
	return pid;
}

/* watch returns when the worker has been silent for too long, or its end of the pipe is closed. */
static void watch(int pulse, int patience)
{
	struct pollfd fd = { pulse, POLLIN, 0 };
	char beats[64];
	int n;

	while ((n = poll(&fd, 1, patience)) != 0)
		if (n > 0 && read(pulse, beats, sizeof beats) <= 0)
			return;
}

static int supervise(int listener, const char *journal, int patience)
{
	for (;;) {
		int pulse;
		pid_t worker = start_worker(listener, journal, &pulse);
		if (worker < 0)
			return 71;
		watch(pulse, patience);
		kill(worker, SIGABRT);
		while (waitpid(worker, NULL, 0) < 0 && errno == EINTR)
			;
		close(pulse);
		sleep(RESTART_S);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (argc != 4) {
		fprintf(stderr, "usage: watchdogged PORT JOURNAL PATIENCE-MS\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	at.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 128) < 0) {
		perror("watchdogged");
		return 1;
	}
	return supervise(listener, argv[2], atoi(argv[3]));
}
