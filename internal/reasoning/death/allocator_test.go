package death_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/lab/dying"
)

const pool = `
#include <stdlib.h>
#include <string.h>
struct pool { int (*fails)(int, void *); };
__attribute__((noipa)) void *pool_alloc(struct pool *p, unsigned long n) {
	if (n > 1UL << 40) {
		if (p->fails) p->fails(%s);
		return 0;
	}
	return malloc(n);
}
__attribute__((noipa)) char *pool_copy(struct pool *p, const char *s, unsigned long n) {
	char *to = pool_alloc(p, n + 1);
	return to ? memcpy(to, s, n) : 0;
}
`

const pooled = `
#include <stdio.h>
#include <stdlib.h>
struct pool { int (*fails)(int, void *); };
char *pool_copy(struct pool *p, const char *s, unsigned long n);
__attribute__((noipa)) int die(int code, void *of) { fprintf(stderr, "%d\n", code); abort(); }
__attribute__((noipa)) char *parse(struct pool *p, const char *s, long n) { char *to = pool_copy(p, s, n - 8); if (!to) puts("none"); return to; }
int main(int argc, char **argv) { struct pool p = {die}; return parse(&p, argv[0], argc) != 0; }
`

// A library's allocator that has no memory tells its program, which ends; a length below zero was asked for. It is not the
// allocator that decided, but a library that tells another error did.
func TestWhoAskedAnAllocatorForTooMuchIsAccused(t *testing.T) {
	for _, c := range []struct{ arguments, module, detail string }{
		{"12, p", "pooled", finding.NoMemory},
		{"22, p", "libpool.so", ""},
	} {
		dir := t.TempDir()
		write := func(name, text string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("pool.c", strings.Replace(pool, "%s", c.arguments, 1))
		write("pooled.c", pooled)
		dying.Run(t, dir, "gcc", "-O2", "-w", "-shared", "-fPIC", "-s", "-Wl,--build-id", "-o", "libpool.so", "pool.c")
		dying.Run(t, dir, "gcc", "-O2", "-w", "-s", "-Wl,--build-id", "-o", "pooled", "pooled.c", "-L.", "-lpool", "-Wl,-rpath,"+dir)
		d, _ := judge(t, dying.Program{Dir: dir, Path: filepath.Join(dir, "pooled")})
		if d.Culprit == nil || d.Culprit.Module != c.module || d.Finding.Mechanism.Kind != finding.Abort || d.Finding.Mechanism.Detail != c.detail {
			t.Errorf("with %s: found %+v, %+v", c.arguments, d.Culprit, d.Finding.Mechanism)
		}
	}
}
