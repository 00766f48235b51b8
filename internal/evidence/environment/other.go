//go:build !linux

package environment

import "errors"

func kernelMade(string) bool { return false }

func (t *taker) within(func()) error { return errors.New("namespaces are Linux's") }
