// mechanism: fault_null
// culprit: peer
// role: decided
// says: a field 0x28 bytes into nothing
struct session { char pad[40]; int port; };
__attribute__((noipa)) int peer(struct session *s) { return s->port; }
int main(int argc, char **argv) { return peer((struct session *)(long)(argc - 1)); }
