package environment

import (
	"fmt"
	"strings"
)

// identity tells an object's build from any other.
func (o *Object) identity() string {
	if o.BuildID != "" {
		return string(o.BuildID)
	}
	return o.SHA256
}

// hashShown is how many digits of a hash a fact shows: enough that no two files agree by accident.
const hashShown = 16

// summary is a file in a line. A folder's own size tells only how many names it once held.
func (f *File) summary() string {
	if f.Type == "link" {
		return "link to " + f.Target
	}
	parts := []string{f.Type, f.Mode, fmt.Sprintf("%d:%d", f.UID, f.GID)}
	if f.Type == "file" {
		parts = append(parts, fmt.Sprintf("%d bytes", f.Size))
	}
	if f.SHA256 != "" {
		parts = append(parts, f.SHA256[:min(hashShown, len(f.SHA256))])
	}
	return strings.Join(parts, " ")
}
