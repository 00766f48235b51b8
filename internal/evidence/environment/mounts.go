package environment

import (
	"iter"
	"path"
	"slices"
	"strings"
)

// mount is a line of mountinfo (proc(5)).
type mount struct {
	point, root  string // where it is mounted, and which folder of its file system
	kind, device string // "ext4", "/dev/sda1"
	options      string // of the file system
}

// mountsIn reads a mountinfo file. Points are as the process sees them whose file it is.
func mountsIn(name string) iter.Seq[mount] {
	return func(yield func(mount) bool) {
		text, _ := read(name) // without it there are none
		for line := range strings.Lines(text) {
			before, after, _ := strings.Cut(line, " - ")
			at, of := strings.Fields(before), strings.Fields(after)
			if len(at) < 5 || len(of) < 3 {
				continue
			}
			if !yield(mount{point: unescape.Replace(at[4]), root: at[3], kind: of[0], device: of[1], options: of[2]}) {
				return
			}
		}
	}
}

// unescape undoes what the kernel does to what would break its columns.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// foreignKinds are file systems that the kernel makes as one looks, or that lie on other hosts. They are not touched, not
// even to see what they are: the ones have no end, and the others may never answer.
var foreignKinds = strings.Fields(`proc sysfs cgroup cgroup2 debugfs tracefs securityfs bpf autofs devpts efivarfs configfs pstore
	hugetlbfs mqueue binfmt_misc selinuxfs nfs nfs4 cifs smb3 9p ceph lustre glusterfs afs ocfs2 gfs2 nsfs`)

func isForeign(kind string) bool {
	return slices.Contains(foreignKinds, kind) || strings.HasPrefix(kind, "fuse.") // but not fuseblk, which is a disk
}

// foreignMounts are the points below the target's root where such a file system is mounted, and its kind.
func (t *taker) foreignMounts() map[string]string {
	all := map[string]string{}
	if t.proc != "" {
		for m := range mountsIn(t.proc + "/mountinfo") {
			all[m.point] = m.kind
		}
	} else {
		for m := range mountsIn("/proc/self/mountinfo") {
			if below, ok := strings.CutPrefix(m.point, strings.TrimSuffix(t.root.Dir, "/")); ok && strings.HasPrefix(below, "/") {
				all[below] = m.kind
			}
		}
	}
	for point, kind := range all { // of several at one point the last counts, which is on top
		if !isForeign(kind) {
			delete(all, point)
		}
	}
	return all
}

// under says whether a path lies in one of the folders, or is one.
func under(folders map[string]string, name string) bool {
	for ; name != "/" && name != "."; name = path.Dir(name) {
		if folders[name] != "" {
			return true
		}
	}
	return false
}
