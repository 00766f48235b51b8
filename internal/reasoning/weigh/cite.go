package weigh

import (
	"fmt"

	"github.com/inquest-project/inquest/internal/reading/conversation"
)

// firstOf keeps citations short.
func firstOf[T any](all []T) []T { return all[:min(4, len(all))] }

// frameRef cites a frame of a capture.
func frameRef(n int) string { return fmt.Sprintf("frame %d", n) }

// frameRefs cites a message's frames, the first few.
func frameRefs(m *conversation.Message) []string {
	if m == nil {
		return nil
	}
	var refs []string
	for _, n := range firstOf(m.Frames()) {
		refs = append(refs, frameRef(n))
	}
	return refs
}
