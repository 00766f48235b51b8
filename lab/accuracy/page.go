package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/inquest-project/inquest/internal/reasoning/weigh"
)

// report judges and writes the tables.
func report(all []*seen, page string) error {
	list := judgeAll(all)
	wholly := some(list, func(j judged) bool { return j.Build == ordinary && j.Evidence == whole })
	var b strings.Builder
	b.WriteString(summary(wholly))
	b.WriteString(programTable(wholly))
	fmt.Print(b.String())
	if page == "" {
		return nil
	}
	return os.WriteFile(page, []byte(b.String()), 0o644)
}

func summary(list []judged) string {
	return fmt.Sprintf("runs %d; first %d, three %d; wrong above 90 %% %d; truth above 90 %% %d; log loss %.3f of uniform %.3f; calibration error %.3f\n",
		len(list), count(list, first), count(list, three), count(list, func(j judged) bool { return j.sureOfWrong }),
		count(list, func(j judged) bool { return j.truth > sure }), logLoss(list), uniform(list), calibrationError(list))
}

func programTable(list []judged) string {
	var b strings.Builder
	b.WriteString("| program | runs | culprit | plain rule | role | mechanism | first | first three | set named | truth above 90 % | wrong above 90 % | log loss | twin first |\n")
	b.WriteString("| --- |" + strings.Repeat(" --- |", 12) + "\n")
	var all []*seen
	for _, j := range list {
		all = append(all, j.seen)
	}
	for _, p := range programs(all) {
		its := some(list, func(j judged) bool { return j.Case == p })
		n := func(is func(judged) bool) int { return count(its, is) }
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %d | %d | %d | %d | %d | %.2f | %d |\n", p, len(its),
			n(func(j judged) bool { return j.Right.Culprit }), n(func(j judged) bool { return j.Right.Plain }),
			n(func(j judged) bool { return j.Right.Role }), n(func(j judged) bool { return j.Right.Mechanism }),
			n(first), n(three), n(func(j judged) bool { return j.setNamed }),
			n(func(j judged) bool { return j.truth > sure }), n(func(j judged) bool { return j.sureOfWrong }), logLoss(its),
			n(func(j judged) bool { return j.twinFirst }))
	}
	return b.String()
}

var _ = weigh.Kinds
