// mechanism: arithmetic
// culprit: average
// role: decided
// says: it divided by zero
__attribute__((noipa)) int average(int sum, int n) { return sum / n; }
int main(int argc, char **argv) { return average(100, argc - 1); }
