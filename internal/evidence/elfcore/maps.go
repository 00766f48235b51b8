package elfcore

import (
	"bufio"
	"cmp"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/place"
)

var mapsLine = regexp.MustCompile(`^[0-9a-f]{1,16}-[0-9a-f]{1,16} [r-][w-][x-][ps] [0-9a-f]{1,16} [0-9a-f]+:[0-9a-f]+ [0-9]+[ \n]`)

// SniffMaps says whether head is the beginning of a /proc/PID/maps.
func SniffMaps(head []byte) bool { return mapsLine.Match(head) }

// ParseMaps reads the file mappings of a /proc/PID/maps that was kept beside a core (proc_pid_maps(5)): a line
// each of range, rights, offset, device, inode and path. Lines of another form are passed over.
func ParseMaps(r io.Reader) []Mapping {
	const longestLine, fields = 8 << 10, 6
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, longestLine)
	var all []Mapping
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < fields || !strings.HasPrefix(f[fields-1], "/") {
			continue
		}
		first, last, _ := strings.Cut(f[0], "-")
		start, err1 := strconv.ParseUint(first, 16, 64)
		end, err2 := strconv.ParseUint(last, 16, 64)
		offset, err3 := strconv.ParseUint(f[2], 16, 64)
		if cmp.Or(err1, err2, err3) != nil || end <= start {
			continue
		}
		path := lines.Text()[strings.Index(lines.Text(), f[fields-1]):] // it may hold spaces
		all = append(all, Mapping{Start: place.Address(start), End: place.Address(end), Offset: offset, Path: path})
	}
	slices.SortStableFunc(all, func(a, b Mapping) int { return cmp.Compare(a.Start, b.Start) })
	var end place.Address
	return slices.DeleteFunc(all, func(m Mapping) bool { // what overlaps the one before
		overlaps := m.Start < end
		end = max(end, m.End)
		return overlaps
	})
}
