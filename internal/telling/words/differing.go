package words

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// How many characters of a value are told, and how many two values may have together to be told whole.
const mostValue, mostWhole = 120, 140

// values tells of two values where they differ: whole if they are short, of lists the items, of long texts from there on.
func values(a, b string) string {
	if utf8.RuneCountInString(a)+utf8.RuneCountInString(b) <= mostWhole {
		return fmt.Sprintf("in A %s; in B %s", cmp.Or(a, "empty"), cmp.Or(b, "empty"))
	}
	separator := " "
	for _, s := range []string{"; ", ":"} {
		if strings.Contains(a, s) && strings.Contains(b, s) && (s != ":" || !strings.Contains(a+b, " ")) {
			separator = s
			break
		}
	}
	x, y := strings.Split(a, separator), strings.Split(b, separator)
	onlyA, onlyB := less(x, y), less(y, x)
	switch shared := len(x) - len(onlyA); {
	case len(onlyA)+len(onlyB) == 0:
		return fmt.Sprintf("the same %d parts in another order", len(x))
	case shared > 0:
		return fmt.Sprintf("%s; %s; the other %s the same", only("A", onlyA, separator), only("B", onlyB, separator), counted(shared, "part is", "parts are"))
	}
	from := common(a, b)
	return fmt.Sprintf("in A %s; in B %s", clipped(from(a), mostValue), clipped(from(b), mostValue))
}

// less are the items of a list without those of another, each as often as it is there more often.
func less(list, without []string) (rest []string) {
	left := map[string]int{}
	for _, item := range without {
		left[item]++
	}
	for _, item := range list {
		if left[item]--; left[item] < 0 {
			rest = append(rest, item)
		}
	}
	return rest
}

func only(side string, items []string, separator string) string {
	if len(items) == 0 {
		return "nothing is in " + side + " only"
	}
	return "in " + side + " only " + clipped(strings.Join(items, separator), mostValue)
}

// common cuts off what two texts begin with, but for a little that shows where they are.
func common(a, b string) func(string) string {
	const shown = 20
	x, y := []rune(a), []rune(b)
	n := 0
	for n < min(len(x), len(y)) && x[n] == y[n] {
		n++
	}
	return func(s string) string {
		if n <= shown {
			return s
		}
		return "…" + string([]rune(s)[n-shown:])
	}
}

// clipped is a text's beginning.
func clipped(s string, most int) string {
	if len(s) <= most {
		return cmp.Or(s, "empty")
	}
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most]) + "…"
}

// file says what a file is, of its facts "file 0644 0:0 12 bytes 0f5e…".
func file(s string) string {
	words := strings.Fields(s)
	switch i := slices.Index(words, "bytes"); {
	case i > 0 && words[0] == "file" && words[i-1] == "0":
		return "an empty file"
	case i > 0 && words[0] == "file":
		return "a file of " + words[i-1] + " bytes"
	case len(words) > 0 && !strings.Contains(s, " of ") && words[0] != "link":
		return "a " + clipped(words[0], mostValue)
	}
	return "a " + clipped(s, mostValue)
}

// files says in what two files differ.
func files(a, b string) string {
	x, y := strings.Fields(a), strings.Fields(b)
	const typ, mode, owner, size, unit, sum = 0, 1, 2, 3, 4, 5
	if len(x) <= owner || len(y) <= owner || x[typ] != y[typ] || x[typ] == "link" || x[typ] == "mount" {
		return fmt.Sprintf("is in A %s; in B %s", file(a), file(b))
	}
	var differ []string
	held := func(what string, i int) bool {
		if i >= len(x) || i >= len(y) || x[i] == y[i] {
			return false
		}
		differ = append(differ, fmt.Sprintf("%s %s in A, %s in B", what, x[i], y[i]))
		return true
	}
	held("has mode", mode)
	held("is owned by", owner)
	if len(x) > unit && len(y) > unit && x[size] != y[size] {
		differ = append(differ, fmt.Sprintf("has %s bytes in A, %s in B", x[size], y[size]))
	} else if len(x) > sum && len(y) > sum && x[sum] != y[sum] {
		differ = append(differ, fmt.Sprintf("has other content, of %s bytes in both", x[size]))
	}
	if len(differ) == 0 {
		return "could be read in only one of A and B"
	}
	return strings.Join(differ, "; ")
}
