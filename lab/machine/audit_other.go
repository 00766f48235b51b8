//go:build !linux

package machine

import "errors"

var errNoAudit = errors.New("only Linux has this audit, and these settings")

func auditEnabled() (uint32, error) { return 0, errNoAudit }

func setAudit(bool) error { return errNoAudit }
