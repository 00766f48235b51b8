package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	libaudit "github.com/elastic/go-libaudit/v2"
	"github.com/elastic/go-libaudit/v2/auparse"
	"golang.org/x/sys/unix"
)

// auditLog writes the kernel's audit records to a file as auditd does, one raw record a line. It
// listens to the multicast group: the records come there whether or not an auditd is running, and
// it keeps its own.
type auditLog struct {
	cancel context.CancelFunc
	done   chan error
}

func startAuditLog(path string) (*auditLog, error) {
	client, err := libaudit.NewMulticastAuditClient(nil)
	if err != nil {
		return nil, fmt.Errorf("listening to audit records: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		client.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &auditLog{cancel: cancel, done: make(chan error, 1)}
	go func() {
		defer client.Close()
		w := bufio.NewWriter(f)
		err := copyRecords(ctx, w, client)
		l.done <- errors.Join(err, w.Flush(), f.Close())
	}()
	return l, nil
}

// Stop ends the log after what the kernel has already sent is in it.
func (l *auditLog) Stop() error {
	l.cancel()
	return <-l.done
}

func copyRecords(ctx context.Context, w *bufio.Writer, client *libaudit.AuditClient) error {
	for {
		m, err := client.Receive(true)
		switch {
		case err == nil:
			fmt.Fprintf(w, "type=%s msg=%s\n", auparse.AuditMessageType(m.Type), m.Data)
		case !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("receiving audit records: %w", err)
		case ctx.Err() != nil:
			return nil
		default:
			time.Sleep(5 * time.Millisecond) // the library's socket can be polled only by asking
		}
	}
}
