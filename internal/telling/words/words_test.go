package words

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
	"github.com/inquest-project/inquest/internal/reasoning/weigh"
)

// Telling knows findings only, and so not the kinds; this test does.
func TestEveryLevelHasASentenceAndEverySentenceALevel(t *testing.T) {
	levels := map[string][]string{finding.Share: {"less", "less, by the signs", "more"}}
	for _, kind := range weigh.Kinds {
		levels[kind.Name] = kind.Levels
	}
	for kind, all := range levels {
		for _, level := range all {
			if observations[kind][level] == "" {
				t.Errorf("no sentence for %s: %s", kind, level)
			}
		}
	}
	for kind, sentences := range observations {
		for level := range sentences {
			if !slices.Contains(levels[kind], level) {
				t.Errorf("a sentence for %s: %s, which nothing observes", kind, level)
			}
		}
	}
}

func TestEveryMechanismHasASentence(t *testing.T) {
	source, err := os.ReadFile("../../ground/finding/finding.go")
	if err != nil {
		t.Fatal(err)
	}
	kinds := regexp.MustCompile(`MechanismKind = "([a-z_]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(kinds) < 10 {
		t.Fatalf("found %d mechanisms in finding.go", len(kinds))
	}
	for _, k := range kinds {
		if mechanisms[finding.MechanismKind(k[1])] == "" {
			t.Errorf("no sentence for %s", k[1])
		}
	}
}

func TestEveryDetailAndPatternHasASentence(t *testing.T) {
	source, err := os.ReadFile("../../ground/finding/finding.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(source), "// Details of mechanisms.")
	rest, _, _ = strings.Cut(rest, "// Mechanism is how")
	named := regexp.MustCompile(`= "([a-z_]+)"`).FindAllStringSubmatch(rest, -1)
	if len(named) < 15 {
		t.Fatalf("found %d details and patterns in finding.go", len(named))
	}
	for _, n := range named {
		if details[n[1]]+sharper[n[1]]+patterns[n[1]] == "" {
			t.Errorf("no sentence for %s", n[1])
		}
	}
}

func TestAFaultIsToldByItsInstruction(t *testing.T) {
	null, field, junk := place.Address(0), place.Address(0x18), place.Address(0x4847464544434241)
	for _, c := range []struct {
		m    finding.Mechanism
		want string
	}{
		{finding.Mechanism{Kind: finding.FaultNull, Address: &field, Access: "read", Size: 8, Instruction: "mov 0x18(%rdi),%rax", Register: "rdi", Value: &null},
			"mov 0x18(%rdi),%rax reads 8 bytes by rdi, which was null: a field 0x18 bytes into nothing"},
		{finding.Mechanism{Kind: finding.FaultRead, Detail: finding.NonCanonical, Address: &junk, Access: "read", Size: 8, Instruction: "mov (%rdi),%rax", Register: "rdi", Value: &junk, Pattern: finding.Text},
			`no memory can have such an address; the instruction mov (%rdi),%rax reads 8 bytes by rdi, which held 0x4847464544434241; it reads as text, "ABCDEFGH"`},
		{finding.Mechanism{Kind: finding.Arithmetic, Detail: finding.ByZero, Instruction: "idiv %ecx"}, "it divided by zero; the instruction idiv %ecx"},
		{finding.Mechanism{Kind: finding.Exception, Exception: "std::runtime_error", Message: "no"}, `nobody caught a C++ exception of type std::runtime_error: "no"`},
		{finding.Mechanism{Kind: finding.Seccomp, SystemCall: &finding.SystemCall{Number: 39, Name: "getpid"}}, "forbade a call: getpid, number 39"},
	} {
		if got := mechanism(&c.m); !strings.Contains(got, c.want) {
			t.Errorf("expected %q in %q", c.want, got)
		}
	}
}

func TestNobodyIsCalledTheKillerBelowEvenOdds(t *testing.T) {
	for _, c := range []struct {
		first, none float64
		want, never string
	}{
		{0.95, 0.01, "The killer is very probably", ""},
		{0.6, 0.1, "The killer is probably", "very"},
		{0.4, 0.1, "can't be told for sure", "The killer is"},
		{0.2, 0.7, "can't be told:", "The killer is"},
	} {
		f := &finding.Findings{
			Death:      &finding.Death{Signal: "SIGABRT"},
			Candidates: 40,
			Suspects:   []finding.Suspect{{Message: finding.Message{Summary: "GET /", Client: "192.0.2.1:4711", Frames: []int{12}}, Probability: c.first}},
			None:       &finding.None{Probability: c.none},
		}
		Fill(f)
		if !strings.Contains(f.Verdict, c.want) || c.never != "" && strings.Contains(f.Verdict, c.never) {
			t.Errorf("at %.2f against %.2f: %s", c.first, c.none, f.Verdict)
		}
	}
}

func TestACaptureAloneSaysWhatItShows(t *testing.T) {
	f := finding.Findings{
		Traffic:  &finding.Traffic{Servers: []string{"192.0.2.2:80"}, ClosedFIN: 3, ClosedRST: 1},
		Suspects: []finding.Suspect{{Message: finding.Message{Summary: "GET /", Client: "192.0.2.1:4711", Frames: []int{12}}, Probability: 0.6}},
		None:     &finding.None{Probability: 0.1},
	}
	Fill(&f)
	if want := "No record of a death was found, but 192.0.2.2:80 closed 4 connections together, as a dying process does. If it died: The killer is probably GET /"; !strings.HasPrefix(f.Verdict, want) {
		t.Errorf("%s", f.Verdict)
	}
	f.Traffic.ClosedFIN, f.Traffic.ClosedRST = 0, 1
	Fill(&f)
	if f.Verdict != "No death was found in this evidence." {
		t.Errorf("of one close: %s", f.Verdict)
	}
}

// Debian's redis-server is a link to redis-check-rdb, and the kernel tells the file's own name.
func TestAProgramThatIsALinkHasOneName(t *testing.T) {
	f := finding.Findings{
		Process: &finding.Process{Command: "redis-server", Arguments: "redis-server *:6379", Executable: "/usr/bin/redis-check-rdb (deleted)"},
		Death:   &finding.Death{Signal: "SIGSEGV", Mechanism: &finding.Mechanism{Kind: finding.FaultWrite}},
		Culprit: &finding.Culprit{Module: "redis-check-rdb", Function: "debugCommand", Role: finding.Decided},
	}
	Fill(&f)
	if told := f.Verdict + strings.Join(f.Summary, " "); strings.Contains(told, "redis-check-rdb") || !strings.HasPrefix(f.Verdict, "redis-server died of SIGSEGV: redis-server (debugCommand) ") {
		t.Errorf("%s", told)
	}
	if got := MappedAs(f.Process); got != "redis-check-rdb" {
		t.Errorf("mapped as %q", got)
	}
	f.Culprit.Module = "libjemalloc.so.2"
	Fill(&f)
	if !strings.Contains(f.Verdict, ": libjemalloc.so.2 (") {
		t.Errorf("%s", f.Verdict)
	}
}

func TestWhatIsToldOfOnePieceAndOfNoInput(t *testing.T) {
	f := finding.Findings{
		Death:      &finding.Death{Mechanism: &finding.Mechanism{Kind: finding.Abort}},
		Suspects:   []finding.Suspect{{Message: finding.Message{Source: finding.FromMemory}, Probability: 0.1}},
		None:       &finding.None{Probability: 0.9},
		Candidates: 1,
	}
	Fill(&f)
	if want := "what killed was not the one piece of memory found in its reach, or no input did"; f.None.Says != want {
		t.Errorf("%s", f.None.Says)
	}
	killed := finding.Findings{Death: &finding.Death{Mechanism: &finding.Mechanism{Kind: finding.Killed}}}
	Fill(&killed)
	if want := "A process died: another process killed it. By what is known no input did it."; killed.Verdict != want {
		t.Errorf("%s", killed.Verdict)
	}
}
