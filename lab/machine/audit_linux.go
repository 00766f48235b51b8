package machine

import (
	"fmt"

	libaudit "github.com/elastic/go-libaudit/v2"
)

// auditEnabled is the kernel's AUDIT_STATUS_ENABLED.
func auditEnabled() (uint32, error) {
	client, err := libaudit.NewAuditClient(nil)
	if err != nil {
		return 0, fmt.Errorf("opening the audit socket: %w", err)
	}
	defer client.Close()
	status, err := client.GetStatus()
	if err != nil {
		return 0, fmt.Errorf("asking the kernel for its audit status: %w", err)
	}
	return status.Enabled, nil
}

func setAudit(enabled bool) error {
	client, err := libaudit.NewAuditClient(nil)
	if err != nil {
		return fmt.Errorf("opening the audit socket: %w", err)
	}
	defer client.Close()
	if err := client.SetEnabled(enabled, libaudit.WaitForReply); err != nil {
		return fmt.Errorf("setting audit to %v: %w", enabled, err)
	}
	return nil
}
