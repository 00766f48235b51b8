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

// kind is what differences have in common that are told as one.
type kind struct {
	area, family, onlyIn string
	touches              finding.Touches
	how, by              string
}

// fold orders differences, the most telling first. What is of the same area, is different in the same way and touches the same
// in the same way is told as one; of what touches nothing only what lies in the same folder, or begins alike.
func fold(all []rated) (told []rated) {
	groups := map[kind][]rated{}
	for _, r := range all {
		k := kind{area: r.Area, onlyIn: missingIn(r.Difference), touches: r.Touches, how: r.How, by: r.By}
		if r.Touches == finding.Rest {
			k.family = family(r.Area, r.Name)
		}
		groups[k] = append(groups[k], r)
	}
	for k, members := range groups {
		if len(members) <= alike {
			told = append(told, members...)
			continue
		}
		slices.SortFunc(members, func(x, y rated) int { return cmp.Or(cmp.Compare(y.worth, x.worth), cmp.Compare(x.Name, y.Name)) })
		one := rated{worth: members[0].worth, Difference: finding.Difference{
			Area: k.area, Name: cmp.Or(k.family, k.area), OnlyIn: k.onlyIn, Touches: k.touches, How: k.how, By: k.by,
		}}
		for _, m := range members {
			one.Members = append(one.Members, m.Name)
		}
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

// missingIn is which side alone has a thing: also where a snapshot says in words that it isn't there.
func missingIn(d finding.Difference) string {
	const missing = "missing"
	switch {
	case d.OnlyIn == "" && d.A == missing:
		return "b"
	case d.OnlyIn == "" && d.B == missing:
		return "a"
	}
	return d.OnlyIn
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
