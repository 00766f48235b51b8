// mechanism: fault_execute
// culprit: invoke
// role: victim
// says: it looks like a fill
struct object { long id; int (*method)(int); } objects[2];
__attribute__((noipa)) int invoke(struct object *o) { return o->method(3) + 1; }
int main(int argc, char **argv) { objects[0].method = (int (*)(int))0xdeadbeefdeadbeef; return invoke(objects); }
