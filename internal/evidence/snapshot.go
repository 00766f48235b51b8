package evidence

import (
	"context"

	"github.com/inquest-project/inquest/internal/evidence/environment"
)

// SnapshotTarget is what a snapshot is to be taken of.
type SnapshotTarget = environment.Target

// Surroundings are what was seen of a target.
type Surroundings = environment.Environment

// Snapshot looks at a process's or a host's surroundings. Nothing is written or stopped.
func Snapshot(ctx context.Context, target SnapshotTarget) (*Surroundings, error) {
	return environment.Take(ctx, target)
}

// CanKeepSnapshot says why a snapshot must not be written to path, if it must not: only another snapshot is replaced.
func CanKeepSnapshot(path string) error { return environment.CanWrite(path) }
