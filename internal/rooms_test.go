package internal

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/inquest-project/inquest/"

// A room may import itself, the ground and the rooms before it: data walks one way.
var rooms = []string{"ground", "evidence", "reading", "reasoning", "telling"}

// Inside a room imports are few, each for a reason. (A room's front door imports its packages.)
var inside = map[string]string{
	"evidence/capture evidence/unpack":       "captures are kept packed",
	"evidence/debuginfod evidence/objfile":   "a download must be of the build that was asked for",
	"evidence/elfcore evidence/elffile":      "cores and objects have the same headers and notes",
	"evidence/elfcore evidence/unpack":       "cores are kept packed",
	"evidence/environment evidence/ldso":     "what a program needs is what its linker would find",
	"evidence/environment evidence/objfile":  "programs and libraries are told by their build",
	"evidence/environment evidence/packages": "a library's package is part of its surroundings",
	"evidence/environment evidence/rooted":   "it sees files as the process does",
	"evidence/ldso evidence/objfile":         "libraries name what they need",
	"evidence/ldso evidence/rooted":          "a program in a jail finds the jail's libraries",
	"evidence/packages evidence/rooted":      "a container has databases of its own",
	"evidence/objfile evidence/debuginfo":    "debug information names what a symbol can't: lines, inlined functions",
	"evidence/objfile evidence/elffile":      "cores and objects have the same headers and notes",
	"ground/cursor ground/place":             "a reader reads addresses",
	"ground/finding ground/place":            "findings name addresses, offsets and builds",
	"reading/heap reading/image":             "it reads the heap through the address space",
	"reading/reach reading/image":            "it follows pointers through the address space",
	"reading/reach reading/unwind":           "it starts from a stack",
	"reading/symbolize reading/disasm":       "a return address stands behind a call",
	"reading/symbolize reading/image":        "it finds objects as for a core",
	"reading/tlskeys reading/conversation":   "records lie in streams",
	"reading/tlskeys reading/dissect":        "a cipher suite's name tells how records are protected",
	"reading/unwind reading/disasm":          "a return address stands behind a call",
	"reading/unwind reading/image":           "it walks through the address space",
	"reasoning/compare reasoning/death":      "dying machinery is on every stack",
	"reasoning/weigh reasoning/death":        "it weighs against how the process died",
	"reasoning/weigh reasoning/moment":       "it weighs against when it died",
	"telling/terminal telling/words":         "it prints sentences",
}

// telling knows findings only: what it tells must be in them.
var tellingMayImport = []string{"internal/ground", "internal/telling"}

func TestDataWalksOneWay(t *testing.T) {
	for from, imports := range ownImports(t) {
		room := roomOf(from)
		if room < 0 {
			continue
		}
		for _, to := range imports {
			allowed := roomOf(to) >= 0 && roomOf(to) <= room
			if rooms[room] == "telling" {
				allowed = slices.ContainsFunc(tellingMayImport, func(p string) bool { return strings.HasPrefix(to, p) })
			}
			if !allowed {
				t.Errorf("%s imports %s: a room imports the ground and earlier rooms (ARCHITECTURE.md)", from, to)
			}
		}
	}
}

func TestEveryImportInsideARoomHasAReason(t *testing.T) {
	met := map[string]bool{}
	for path, imports := range ownImports(t) {
		from, own := strings.CutPrefix(path, "internal/")
		if !own {
			continue
		}
		for _, to := range imports {
			to = strings.TrimPrefix(to, "internal/")
			room, _, inRoom := strings.Cut(from, "/")
			if !inRoom || !strings.HasPrefix(to, room+"/") {
				continue
			}
			edge := from + " " + to
			if met[edge] = true; inside[edge] == "" {
				t.Errorf("%s imports %s: say why in the map, or don't", from, to)
			}
		}
	}
	for edge := range inside {
		if !met[edge] {
			t.Errorf("nothing imports so any more: %s", edge)
		}
	}
}

func TestCommandsKnockAtFrontDoorsOnly(t *testing.T) {
	doors := []string{"internal/evidence", "internal/reading", "internal/reasoning", "internal/telling"}
	for from, imports := range ownImports(t) {
		for _, to := range imports {
			if strings.HasPrefix(from, "cmd/") && strings.HasPrefix(to, "internal/") &&
				!slices.Contains(doors, to) && !strings.HasPrefix(to, "internal/ground/") {
				t.Errorf("%s imports %s: its room's front door is to do that", from, to)
			}
		}
	}
}

func TestOnlyFrontDoorsAreKnockedAtByTheirRoom(t *testing.T) {
	for from, imports := range ownImports(t) {
		for _, to := range imports {
			if slices.Contains(rooms, strings.TrimPrefix(to, "internal/")) && strings.HasPrefix(from, to+"/") {
				t.Errorf("%s imports its own room's front door %s: the door opens outward", from, to)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, line := range list(t, "{{.ImportPath}}\t{{.Doc}}") {
		path, doc, _ := strings.Cut(line, "\t")
		if doc == "" && path != module+"internal" {
			t.Errorf("%s has no package comment", path)
		}
	}
}

func roomOf(path string) int {
	parts := strings.Split(path, "/")
	if len(parts) < 2 || parts[0] != "internal" {
		return -1
	}
	return slices.Index(rooms, parts[1])
}

// ownImports are the imports among this module's packages, as paths below the module.
func ownImports(t *testing.T) map[string][]string {
	edges := map[string][]string{}
	for _, line := range list(t, `{{.ImportPath}} {{join .Imports " "}}`) {
		fields := strings.Fields(line)
		from := strings.TrimPrefix(fields[0], module)
		for _, to := range fields[1:] {
			if own, ok := strings.CutPrefix(to, module); ok {
				edges[from] = append(edges[from], own)
			}
		}
	}
	return edges
}

func list(t *testing.T, format string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", format, module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
