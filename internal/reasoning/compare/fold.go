package compare

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/finding"
)

// alike is how many differences of a kind are told one by one.
const alike = 3

// fold orders differences, the most telling first, and tells as one what lies in the same folder, or begins alike, is different
// in the same way and touches nothing.
func fold(all []rated) (told []rated) {
	groups := map[[3]string][]rated{}
	for _, r := range all {
		if r.Touches == finding.Rest {
			key := [3]string{r.Area, family(r.Area, r.Name), r.OnlyIn}
			groups[key] = append(groups[key], r)
		} else {
			told = append(told, r)
		}
	}
	for key, members := range groups {
		if len(members) <= alike {
			told = append(told, members...)
			continue
		}
		one := rated{Difference: finding.Difference{Area: key[0], Name: key[1], OnlyIn: key[2], Touches: finding.Rest}}
		for _, m := range members {
			one.worth = max(one.worth, m.worth)
			one.Members = append(one.Members, m.Name)
		}
		slices.Sort(one.Members)
		told = append(told, one)
	}
	slices.SortFunc(told, func(x, y rated) int {
		return cmp.Or(
			cmp.Compare(y.worth, x.worth), cmp.Compare(len(x.Members), len(y.Members)),
			cmp.Compare(x.Area, y.Area), cmp.Compare(x.Name, y.Name), cmp.Compare(x.OnlyIn, y.OnlyIn),
		)
	})
	return told
}

// family is what a thing's neighbours are named like: a file's top folders, a sysctl's first words, else its area alone.
func family(area, name string) string {
	const folders = 3
	switch {
	case strings.HasPrefix(name, "/"):
		dir := path.Dir(name)
		parts := strings.SplitN(dir, "/", folders+2)
		return strings.Join(parts[:min(len(parts), folders+1)], "/") + "/"
	case strings.Count(name, ".") >= 2:
		parts := strings.SplitN(name, ".", 3)
		return parts[0] + "." + parts[1] + "."
	}
	return area
}

func base(p string) string { return p[strings.LastIndexByte(p, '/')+1:] }
