// mechanism: fault_execute
// culprit: invoke
// role: victim
// says: memory that holds data and no code
char code[] = "\xc3\xc3\xc3";
__attribute__((noipa)) int invoke(int (*f)(int)) { return f(3) + 1; }
int main(int argc, char **argv) { return invoke((int (*)(int))code); }
