// mechanism: arithmetic
// culprit: rate
// role: decided
// says: it divided by zero
struct window { unsigned long bytes, seconds; } window = {1000, 0};
__attribute__((noipa)) unsigned long rate(struct window *w) { return w->bytes / w->seconds; }
int main(int argc, char **argv) { return rate(&window); }
