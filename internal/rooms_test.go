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

// Edges against the grain, each with its reason.
var exceptions = map[string]string{}

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
			if !allowed && exceptions[from+" "+to] == "" {
				t.Errorf("%s imports %s: a room imports the ground and earlier rooms (ARCHITECTURE.md)", from, to)
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
