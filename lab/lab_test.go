package lab

import (
	"bytes"
	"cmp"
	"context"
	"debug/elf"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

func TestMain(m *testing.M) {
	if Helper() {
		return
	}
	os.Exit(m.Run())
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("recording needs root")
	}
}

// recording is one recorded run as the tests look at it.
type recording struct {
	Case   Case
	Dir    string
	Truth  Truth
	Frames []frame
}

func TestEveryCaseKeepsTheLabsRules(t *testing.T) {
	needRoot(t)
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			r := recordOnce(t, c)
			r.checkCore(t)
			r.checkCounts(t, 300, 10)
			r.checkDeeds(t)
			r.checkWaiting(t)
		})
	}
}

func TestEveryDaemonKeepsTheLabsRules(t *testing.T) {
	needRoot(t)
	for _, c := range Daemons() {
		t.Run(c.Name, func(t *testing.T) {
			r := recordOnce(t, c)
			r.checkCore(t)
			r.checkCounts(t, 250, 8)
			r.checkDeeds(t)
			if c.Name != "postgres" { // whose processes have one client each: the others' are told of the death
				r.checkWaiting(t)
			}
		})
	}
}

func TestTruthTablesAreWhatIsMeasured(t *testing.T) {
	needRoot(t)
	for _, c := range Cases() {
		if len(c.Factors) == 0 {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			found, err := Measure(context.Background(), c, Options{Build: "build", Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			if want := c.Circumstance(); !reflect.DeepEqual(found, want) {
				t.Errorf("the case says %+v, measured was %+v", want, found)
			}
		})
	}
}

func recordOnce(t *testing.T, c Case) recording {
	t.Helper()
	dir, err := RecordOne(context.Background(), c, Options{Dir: t.TempDir(), Build: "build", Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	r := recording{Case: c, Dir: dir}
	text, err := os.ReadFile(filepath.Join(dir, "truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &r.Truth); err != nil {
		t.Fatal(err)
	}
	r.Frames, err = readFrames(filepath.Join(dir, "evidence", "capture.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// checkCore opens the core and the stripped program that left it.
func (r recording) checkCore(t *testing.T) {
	t.Helper()
	core, err := elf.Open(filepath.Join(r.Dir, "evidence", "core"))
	if err != nil {
		t.Fatal(err)
	}
	defer core.Close()
	if core.Type != elf.ET_CORE || len(core.Progs) < 2 || core.Progs[0].Type != elf.PT_NOTE {
		t.Errorf("the core is of type %v with %d segments", core.Type, len(core.Progs))
	}
	path := cmp.Or(r.Case.Program, filepath.Join(home(r.Case.Name), "sbin", r.Case.Name))
	program, err := elf.Open(filepath.Join(r.Dir, "sysroot", path))
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	if program.Section(".symtab") != nil || program.Section(".debug_info") != nil {
		t.Error("the program in sysroot is not stripped")
	}
}

func (r recording) checkCounts(t *testing.T, ordinary, odd int) {
	t.Helper()
	if n := r.ordinary(); n < ordinary {
		t.Errorf("%d ordinary conversations, expected %d or more", n, ordinary)
	}
	if n := len(r.Truth.Odd); n < odd {
		t.Errorf("%d odd messages, expected %d or more", n, odd)
	}
	if r.Case.None {
		return
	}
	if r.Truth.Twin == nil {
		t.Fatal("the killer has no twin")
	}
	if bytes.Equal(r.Truth.Twin.Bytes, r.Truth.Killer.Bytes) {
		t.Error("the twin says the same as the killer")
	}
}

// ordinary counts the clients who sent something and are not in the truth.
func (r recording) ordinary() int {
	clients := map[string]bool{}
	for _, f := range r.Frames {
		if f.Dst == r.Case.Listen && len(f.Payload) > 0 {
			clients[f.Src.String()] = true
		}
	}
	for _, d := range r.deeds() {
		delete(clients, d.Client)
	}
	return len(clients)
}

func (r recording) deeds() []Deed {
	all := slices.Concat(r.Truth.Killer.With, r.Truth.Odd, r.Truth.Waiting)
	if !r.Truth.None {
		all = append(all, r.Truth.Killer)
	}
	for _, d := range []*Deed{r.Truth.Twin, r.Truth.Trap} {
		if d != nil {
			all = append(all, *d)
		}
	}
	return all
}

// checkDeeds finds every message in the frames that the truth names.
func (r recording) checkDeeds(t *testing.T) {
	t.Helper()
	for _, d := range r.deeds() {
		if len(d.Frames) == 0 {
			t.Errorf("no frame of %s's message of %d bytes", d.Client, len(d.Bytes))
			continue
		}
		frames := slices.DeleteFunc(slices.Clone(r.Frames), func(f frame) bool { return !slices.Contains(d.Frames, f.Number) })
		// Two processors may hand a capture their frames out of order.
		slices.SortStableFunc(frames, func(a, b frame) int { return int(int32(a.Seq - b.Seq)) })
		var sent []byte
		for _, f := range frames {
			again := 0 // bytes of a segment that was sent a second time
			if !f.UDP && len(sent) > 0 {
				again = min(max(0, len(sent)-int(int32(f.Seq-frames[0].Seq))), len(f.Payload))
			}
			sent = append(sent, f.Payload[again:]...)
		}
		if !bytes.Contains(sent, d.Bytes) {
			t.Errorf("the %d bytes of frames %v are not %s's message of %d", len(sent), d.Frames, d.Client, len(d.Bytes))
		}
	}
}

// checkWaiting counts those who were read in full and not answered: over TCP the dying process's
// sockets close with FIN, and before their clients'.
func (r recording) checkWaiting(t *testing.T) {
	t.Helper()
	unanswered := 0
	for _, d := range r.Truth.Waiting {
		if len(d.Frames) > 0 && r.leftWaiting(d) {
			unanswered++
		}
	}
	if unanswered < 5 {
		t.Errorf("%d of %d waiting messages were read and not answered, expected 5 or more", unanswered, len(r.Truth.Waiting))
	}
}

func (r recording) leftWaiting(d Deed) bool {
	for _, f := range r.Frames {
		if f.Number <= d.Frames[len(d.Frames)-1] {
			continue
		}
		switch from := f.Src.String() == d.Client; {
		case from && f.FIN:
			return false // it lost patience
		case !from && f.Dst.String() == d.Client && (len(f.Payload) > 0 || f.RST):
			return false
		case !from && f.Dst.String() == d.Client && f.FIN:
			return true
		}
	}
	return r.Case.UDP
}
