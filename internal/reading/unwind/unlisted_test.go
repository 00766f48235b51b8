package unwind_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/reading/image"
	"github.com/inquest-project/inquest/internal/reading/unwind"
	"github.com/inquest-project/inquest/lab/dying"
)

// Kernels before 3.7 wrote no NT_FILE note. Here it is made unknown by another type.
func TestACoreThatListsNoFilesHasTheSameFrames(t *testing.T) {
	for name, flags := range map[string][]string{"position independent": nil, "at a fixed address": {"-no-pie"}, "static": {"-static"}} {
		t.Run(name, func(t *testing.T) {
			p := dying.One(t, "threads").Build(t, append([]string{"-O2"}, flags...)...)
			data, err := os.ReadFile(p.Core(t))
			if err != nil {
				t.Fatal(err)
			}
			listed := parse(t, data)
			want := framesOf(listed)
			note := bytes.Index(data, []byte("ELIFCORE\x00"))
			if note < 0 {
				t.Fatal("the core has no NT_FILE note")
			}
			copy(data[note:], "XXXX")
			unlisted := parse(t, data)
			if len(unlisted.Mappings) > 0 {
				t.Fatal("the note is still there")
			}
			if got := framesOf(unlisted); !bytes.Equal(got, want) {
				t.Errorf("from the dynamic linker's list:\n%s\nfrom the core's:\n%s", got, want)
			}
			unlisted.Mappings = listed.Mappings
			if got := framesOf(unlisted); !bytes.Equal(got, want) {
				t.Errorf("with mappings from elsewhere:\n%s\nfrom the core's:\n%s", got, want)
			}
		})
	}
}

func parse(t *testing.T, data []byte) *elfcore.Core {
	t.Helper()
	core, err := elfcore.Parse("core", data)
	if err != nil {
		t.Fatal(err)
	}
	return core
}

func framesOf(core *elfcore.Core) []byte {
	im := image.Open(core, image.Finder{Host: true})
	defer im.Close()
	var b bytes.Buffer
	for _, s := range unwind.Threads(im) {
		for _, f := range s.Frames {
			b.WriteString(show(f) + "\n")
		}
		b.WriteString(s.End + "\n")
	}
	return b.Bytes()
}
