package lab

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/inquest-project/inquest/lab/machine"
)

var (
	handlerFile = filepath.Join(machine.Dir, "handler")    // a link to the running program
	orderFile   = filepath.Join(machine.Dir, "order.json") // where the core handler writes to: see coreOrder
)

// borrowMachine borrows the machine for one run: its cores come to this program, and its audit records
// are on.
func borrowMachine() (*machine.Hold, error) {
	m, err := machine.Borrow("|" + handlerFile + " " + helperCore + " %P")
	if err != nil {
		return nil, err
	}
	if err := errors.Join(linkHandler(), m.Audit()); err != nil {
		return nil, errors.Join(err, m.Return())
	}
	return m, nil
}

// linkHandler leads the kernel to this program: a core_pattern has room for 128 bytes.
func linkHandler() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	os.Remove(handlerFile)
	return os.Symlink(self, handlerFile)
}

// coreOrder tells the core handler, which the kernel starts with no more than a process number,
// whose cores are wanted and where.
type coreOrder struct {
	NetNS string // the link text of /proc/PID/ns/net
	Core  string // path
}

// partial ends the name of a core that is being written.
const partial = ".part"

// handleCore is the kernel's core_pattern helper: it writes the core on its standard input to the
// file that was ordered. A process that isn't of this run gets no core: the lab borrowed its handler
// for some seconds.
func handleCore(pid string) error {
	var order coreOrder
	text, err := os.ReadFile(orderFile)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &order); err != nil {
		return err
	}
	netns, err := os.Readlink("/proc/" + pid + "/ns/net")
	if err != nil || netns != order.NetNS {
		return err
	}
	part := order.Core + partial
	f, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err // a second death of the same run: the first one is the case
	}
	maps, err := os.ReadFile("/proc/" + pid + "/maps")
	if err != nil {
		return err
	}
	if err := os.WriteFile(mapsFile, maps, 0o600); err != nil {
		return err
	}
	if err := errors.Join(copySparse(f, os.Stdin), f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", part, err)
	}
	return os.Rename(part, order.Core)
}

// copySparse copies a stream and leaves holes where it is zero, page by page: a core is mostly
// stacks that were never used.
func copySparse(to *os.File, from io.Reader) error {
	page, zero := make([]byte, 4096), make([]byte, 4096)
	size := int64(0)
	for {
		n, err := io.ReadFull(from, page)
		if n > 0 && !bytes.Equal(page[:n], zero[:n]) {
			if _, err := to.WriteAt(page[:n], size); err != nil {
				return err
			}
		}
		size += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return to.Truncate(size)
		}
		if err != nil {
			return err
		}
	}
}
