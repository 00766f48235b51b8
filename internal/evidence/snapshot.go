package evidence

import (
	"context"

	"github.com/inquest-project/inquest/internal/evidence/environment"
)

// SnapshotTarget is what a snapshot is to be taken of.
type SnapshotTarget = environment.Target

// Snapshot looks at a process's or a host's surroundings. Nothing is written or stopped.
func Snapshot(ctx context.Context, target SnapshotTarget) (*environment.Environment, error) {
	return environment.Take(ctx, target)
}
