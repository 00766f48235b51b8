// mechanism: fault_write
// culprit: lower
// role: decided
// says: it wrote to read-only memory
const char name[] = "CONTENT";
__attribute__((noipa)) void lower(char *s) { s[0] |= 0x20; }
int main(int argc, char **argv) { lower((char *)name); return 0; }
