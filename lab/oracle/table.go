package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

const preface = `# Backtraces

Written by ` + "`make oracle`" + `: gdb and inquest asked for every thread of the same cores, with the same files to look at
and no others. A frame is equal if program counter, stack pointer, module and offset, function, inlined calls, and
file and line of each of them are. gdb is asked for %d frames of a thread; of a recursion inquest keeps one round,
and what it folded is neither compared nor counted.

`

// tell is the table of all items, and below it what the differences are.
func tell(results []Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, preface, mostFrames)
	b.WriteString("| item | threads | frames | equal | differing |\n| --- | --- | --- | --- | --- |\n")
	var sum Result
	for _, r := range results {
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %s |\n", r.Item.Name, r.Threads, r.Frames, r.Equal, r.differing())
		sum.Threads, sum.Frames, sum.Equal = sum.Threads+r.Threads, sum.Frames+r.Frames, sum.Equal+r.Equal
	}
	fmt.Fprintf(&b, "| all %d | %d | %d | %d | |\n", len(results), sum.Threads, sum.Frames, sum.Equal)
	b.WriteString(tellReasons(results))
	return b.String()
}

// differing counts an item's differences by their reasons' numbers.
func (r Result) differing() string {
	if r.Failed != nil {
		return "could not be read"
	}
	counts := map[int]int{}
	for _, d := range r.Differences {
		counts[d.number()]++
	}
	var parts []string
	for n := range len(reasons) + 1 {
		if counts[n] > 0 {
			parts = append(parts, fmt.Sprintf("%d (%s)", counts[n], cmp.Or(strings.Trim(fmt.Sprint(n), "0"), "no reason")))
		}
	}
	return cmp.Or(strings.Join(parts, ", "), "-")
}

// number is the reason's in the list below the table; 0 if there is none.
func (d Difference) number() int {
	return 1 + slices.IndexFunc(reasons, func(r reason) bool { return d.reason != nil && d.reason.Text == r.Text })
}

func tellReasons(results []Result) string {
	var b strings.Builder
	b.WriteString("\nThe reasons:\n\n")
	for i, r := range reasons {
		fmt.Fprintf(&b, "%d. %s\n", i+1, r.Text)
	}
	return b.String()
}
