// mechanism: killed
#include <signal.h>
#include <unistd.h>
int main(int argc, char **argv) { if (!fork()) { kill(getppid(), SIGABRT); _exit(0); } for (;;) pause(); }
