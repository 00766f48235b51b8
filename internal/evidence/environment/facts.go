package environment

import (
	"fmt"
	"iter"
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
	switch f.Type {
	case "link":
		return "link to " + f.Target
	case "mount":
		return "mount of " + f.Target
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

// Summary is what was seen, in a few lines.
func (e *Environment) Summary() iter.Seq[string] {
	return func(yield func(string) bool) {
		ids, owned, hashed := 0, 0, 0
		for _, o := range e.Loaded {
			if o.BuildID != "" {
				ids++
			}
			if o.Package != "" {
				owned++
			}
		}
		for _, f := range e.Files {
			if f.SHA256 != "" {
				hashed++
			}
		}
		ok := len(e.Loaded) == 0 || yield(fmt.Sprintf("%d programs and libraries, %d with a build ID, %d from packages", len(e.Loaded), ids, owned))
		ok = ok && (len(e.Files) == 0 || yield(fmt.Sprintf("%d files, %d hashed, in %s", len(e.Files), hashed, e.Root)))
		var counts []string
		for area, section := range e.settings() {
			if len(*section) > 0 {
				counts = append(counts, fmt.Sprintf("%s %d", area, len(*section)))
			}
		}
		if ok && len(counts) > 0 {
			yield("settings: " + strings.Join(counts, ", "))
		}
	}
}
