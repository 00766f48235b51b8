package environment

import (
	"bytes"
	"maps"
	"slices"
	"strings"
)

// Bounds of what is kept of objects' constants.
const (
	mostMentions   = 2048    // of one object
	mostOfAll      = 500_000 // of all
	longestMention = 200
)

// mentions are what strings among constants may have an object look at. There are a hundred megabytes of them in a large
// program, so they are taken apart by hand: regular expressions took seconds.
func mentions(constants [][]byte) []string {
	found := map[string]bool{}
	for _, data := range constants {
		for text := range literals(data) {
			if len(found) >= mostMentions {
				break
			}
			for name := range paths(text) {
				found[string(name)] = true
			}
			if isVariable(text) || isSysctl(text) {
				found[string(text)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// literals are the C strings of printable characters in data.
func literals(data []byte) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for {
			end := bytes.IndexByte(data, 0)
			if end < 0 {
				return
			}
			start := end // before the string other data may stand
			for start > 0 && end-start < longestMention && data[start-1] >= ' ' && data[start-1] < 0x7f {
				start--
			}
			if end-start >= 4 && !yield(data[start:end]) {
				return
			}
			data = data[end+1:]
		}
	}
}

// tops are folders that roots have: a path that begins otherwise is a URL's, or none.
var tops = strings.Fields("bin boot dev etc home lib lib32 lib64 media mnt opt proc root run sbin srv sys tmp usr var")

// paths are those into such a folder, at a text's beginning or behind a colon or the like: "FILE:/etc/krb5.keytab".
func paths(text []byte) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for at := 0; at < len(text); {
			slash := bytes.IndexByte(text[at:], '/')
			if slash < 0 {
				return
			}
			start := at + slash
			end := start
			for end < len(text) && isPathByte(text[end]) {
				end++
			}
			at = end
			if start > 0 && bytes.IndexByte([]byte(" :=,;\"'(<|"), text[start-1]) < 0 {
				continue
			}
			name := bytes.TrimRight(text[start:end], "/.")
			top, below, _ := bytes.Cut(name[min(1, len(name)):], []byte("/"))
			if len(below) > 0 && below[0] != '/' && slices.Contains(tops, string(top)) && !yield(name) {
				return
			}
		}
	}
}

func isPathByte(b byte) bool {
	return isUpper(b) || isLower(b) || isDigit(b) || bytes.IndexByte([]byte("/_.+@%~-"), b) >= 0
}

func isUpper(b byte) bool { return b >= 'A' && b <= 'Z' }
func isLower(b byte) bool { return b >= 'a' && b <= 'z' }
func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// isVariable tells names as KRB5_CONFIG: what is longer than 32 letters, or has none between underscores, is a constant's.
func isVariable(text []byte) bool {
	if len(text) > 32 || !isUpper(text[0]) || text[len(text)-1] == '_' || bytes.Contains(text, []byte("__")) {
		return false
	}
	for _, b := range text {
		if !isUpper(b) && !isDigit(b) && b != '_' {
			return false
		}
	}
	return true
}

// isSysctl tells names as net.ipv6.conf.all.disable_ipv6.
func isSysctl(text []byte) bool {
	top, _, _ := bytes.Cut(text, []byte("."))
	if t := string(top); t != "net" && t != "kernel" && t != "vm" && t != "fs" || bytes.Count(text, []byte(".")) < 2 || text[len(text)-1] == '.' {
		return false
	}
	for _, b := range text {
		if !isLower(b) && !isDigit(b) && b != '_' && b != '.' && b != '-' {
			return false
		}
	}
	return true
}
