// flags: -Wl,--build-id=none
// mechanism: fault_null
// culprit: serve
// role: decided
// A function that makecontext(3) started: nothing called it, and it returns to what no call stands before. By its
// unwind table that would return to the context to go on with. Without a build ID the program's tables need proof.
#include <ucontext.h>
static ucontext_t caller, context;
static char stack[64 << 10];
struct session { char pad[40]; int port; };
static struct session *volatile none;
__attribute__((noipa)) void serve(void) { none->port = 1; }
int main(int argc, char **argv) {
	getcontext(&context);
	context.uc_stack.ss_sp = stack;
	context.uc_stack.ss_size = sizeof stack;
	context.uc_link = &caller;
	makecontext(&context, serve, 0);
	swapcontext(&caller, &context);
	return 0;
}
