package machine

import (
	"time"

	"golang.org/x/sys/unix"
)

// Worked is the processor time that this process has taken: a test that bounds it holds on a busy machine, too, where the
// clock on the wall tells more of the others.
func Worked() time.Duration {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
