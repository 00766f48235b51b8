//go:build amd64 || arm64

package mapped

// Prefetch begins to bring what lies behind a byte into the processor's cache, and does not wait for it: for who knows where
// it will read next, and has something to do until then.
//
//go:noescape
func Prefetch(b *byte)
