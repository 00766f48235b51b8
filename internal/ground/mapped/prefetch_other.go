//go:build !amd64 && !arm64

package mapped

// Prefetch does nothing here: it only saves time.
func Prefetch(*byte) {}
