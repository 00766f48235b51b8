package weigh

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"regexp"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/finding"
)

// observeNovelty tells how unusual a message is among all that this daemon received, field by field:
// the surprise of its three rarest traits, in bits. There is no list of known attacks; most odd
// messages are innocent, so only the rank among all odd ones is kept.
func observeNovelty(c *Case) []finding.Observation {
	traits := make([][]string, len(c.Candidates))
	count := map[string]int{}
	for i, candidate := range c.Candidates {
		traits[i] = traitsOf(candidate)
		for _, t := range traits[i] {
			count[t]++
		}
	}
	surprises := make([]float64, len(c.Candidates))
	rarest := make([]string, len(c.Candidates))
	for i := range traits {
		surprises[i], rarest[i] = surprise(traits[i], count, len(c.Candidates))
	}
	ranks := ranksOf(surprises)
	observations := make([]finding.Observation, len(c.Candidates))
	for i := range observations {
		if len(c.Candidates[i].Data) == 0 {
			continue
		}
		observations[i] = finding.Observation{
			Level: noveltyLevel(ranks[i], len(ranks)),
			Facts: map[string]string{
				"rank":  fmt.Sprint(ranks[i] + 1),
				"of":    fmt.Sprint(len(ranks)),
				"trait": rarest[i],
				"bits":  fmt.Sprintf("%.1f", surprises[i]),
			},
			RestsOn: frameRefs(c.Candidates[i].Message),
		}
	}
	return observations
}

func noveltyLevel(rank, of int) string {
	switch {
	case rank < 1:
		return "the oddest"
	case rank < 5:
		return "among the 5 oddest"
	case rank < 20:
		return "among the 20 oddest"
	case rank*4 < of:
		return "in the odd quarter"
	}
	return "ordinary"
}

var listIndex = regexp.MustCompile(`\[\d+\]`)

// traitsOf are the ways in which a message can be unusual: each field's value and size, how many times
// a field comes, the message's own size, and which fields follow which.
func traitsOf(c *Candidate) []string {
	set := map[string]bool{}
	add := func(format string, args ...any) { set[fmt.Sprintf(format, args...)] = true }
	add("%s, %s bytes", messageKind(c), magnitude(len(c.Data)))
	times := map[string]int{}
	previous := "start"
	for _, f := range c.Dissection.Fields {
		name := listIndex.ReplaceAllString(f.Name, "")
		times[name]++
		add("%s is %s", name, shortened(f.Value))
		add("%s of %s bytes", name, magnitude(f.Length))
		add("%s after %s", name, previous)
		previous = name
	}
	for name, n := range times {
		add("%s, %s times", name, magnitude(n))
	}
	traits := make([]string, 0, len(set))
	for t := range set {
		traits = append(traits, t)
	}
	slices.Sort(traits)
	return traits
}

// magnitude is a size on a scale that doubles twice a step of two: 37 and 38 bytes are alike, 37 and 370
// aren't.
func magnitude(n int) string {
	if n < 8 {
		return fmt.Sprint(n)
	}
	exponent := bits.Len(uint(n)) - 2
	low := n >> exponent << exponent
	return fmt.Sprintf("%d to %d", low, low+1<<exponent-1)
}

// shortened keeps a value comparable without keeping all of a long one.
func shortened(value string) string {
	const most = 80
	if len(value) <= most {
		return value
	}
	return strings.ToValidUTF8(value[:most], "") + "…"
}

// surprise is the mean of the three rarest traits' bits. A trait that only this message has is no
// rarer than one in as many messages as there are: values that are new each time (names, numbers) are
// so in every message, and then their surprise is the same for all.
func surprise(traits []string, count map[string]int, messages int) (mean float64, rarest string) {
	const counted = 3
	byRarity := slices.Clone(traits)
	slices.SortStableFunc(byRarity, func(a, b string) int { return cmp.Compare(count[a], count[b]) })
	byRarity = byRarity[:min(counted, len(byRarity))]
	for _, t := range byRarity {
		mean += math.Log2(float64(messages) / float64(count[t]))
	}
	if len(byRarity) == 0 {
		return 0, ""
	}
	return mean / float64(len(byRarity)), byRarity[0]
}

// ranksOf gives each value the number of values greater than it.
func ranksOf(values []float64) []int {
	descending := slices.Clone(values)
	slices.SortFunc(descending, func(a, b float64) int { return cmp.Compare(b, a) })
	ranks := make([]int, len(values))
	for i, v := range values {
		ranks[i], _ = slices.BinarySearchFunc(descending, v, func(d, v float64) int { return cmp.Compare(v, d) })
	}
	return ranks
}
