package evidence

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/inquest-project/inquest/internal/evidence/environment"
)

// Side is one of two that are held against each other: surroundings, or evidence of a death that tells of some.
type Side struct {
	Name         string
	Surroundings *Surroundings // nil of a death
	Death        *Set          // nil of all others
}

// OpenSide takes what it is given for what it is: a number is a process that runs here, a folder with a file system in it a root,
// a file by its content a snapshot, a core or a trace. Other folders are evidence, or a case.
func OpenSide(ctx context.Context, given string) (Side, error) {
	if pid, err := strconv.Atoi(given); err == nil && pid > 0 {
		return look(ctx, SnapshotTarget{PID: pid})
	}
	info, err := os.Stat(given)
	if err != nil {
		return Side{}, err
	}
	if info.IsDir() && isRoot(given) {
		return look(ctx, SnapshotTarget{Root: given})
	}
	if !info.IsDir() {
		head, err := headOf(given)
		if err != nil {
			return Side{}, err
		}
		if environment.Sniff(head) {
			e, err := environment.Open(given)
			if err != nil {
				return Side{}, err
			}
			return Side{Name: fmt.Sprintf("%s (%s)", e.Name, filepath.Base(given)), Surroundings: e}, nil
		}
		if recognise(head) == "" && unreadable(head) == "" {
			return Side{}, fmt.Errorf("%s: expected a snapshot, a core, a backtrace, a case, a folder with a file system, or the number of a process that runs here, found none of these", given)
		}
	}
	set, err := Open(Request{Paths: []string{given}})
	if err != nil {
		return Side{}, err
	}
	return Side{Name: filepath.Base(filepath.Clean(given)), Death: set}, nil
}

func look(ctx context.Context, target SnapshotTarget) (Side, error) {
	e, err := environment.Take(ctx, target)
	if err != nil {
		return Side{}, err
	}
	return Side{Name: e.Name, Surroundings: e}, nil
}

// isRoot says whether a folder holds a file system: some of the folders that every one begins with.
func isRoot(dir string) bool {
	for _, name := range []string{"etc", "usr", "lib", "lib64", "bin", "dev"} {
		if info, err := os.Lstat(filepath.Join(dir, name)); err == nil && (info.IsDir() || info.Mode()&os.ModeSymlink != 0) {
			return true
		}
	}
	return false
}

// Close lets go of what was opened.
func (s Side) Close() {
	if s.Death != nil {
		s.Death.Close()
	}
}
