package compare

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/evidence/environment"
	"github.com/inquest-project/inquest/internal/ground/finding"
)

// alike is how many differences of a kind are told one by one; few where an area has few, of which each has a value worth reading.
const alike, few = 3, 12

// small are areas that have few things in them.
var small = map[environment.Area]bool{
	environment.AreaNameService: true, environment.AreaLimit: true, environment.AreaSeccomp: true, environment.AreaNamespace: true, environment.AreaCgroup: true,
	environment.AreaLocale: true, environment.AreaTimeZone: true, environment.AreaTunable: true, environment.AreaProcess: true, environment.AreaKernel: true, environment.AreaNetwork: true,
}

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
		k := kind{area: r.Area, onlyIn: aloneIn(r.Difference), touches: r.Touches, how: r.How}
		switch {
		case r.Touches == finding.Rest:
			k.family = family(r.Area, r.Name)
		case r.How != namedInProgram:
			k.by = r.By
		}
		groups[k] = append(groups[k], r)
	}
	for k, members := range groups {
		if len(members) <= alike || small[environment.Area(k.area)] && len(members) <= few {
			told = append(told, members...)
			continue
		}
		slices.SortFunc(members, func(x, y rated) int { return cmp.Or(cmp.Compare(y.worth, x.worth), cmp.Compare(x.Name, y.Name)) })
		one := rated{worth: members[0].worth, Difference: finding.Difference{
			Area: k.area, Name: cmp.Or(k.family, k.area), OnlyIn: k.onlyIn, Touches: k.touches, How: k.how, By: members[0].By,
		}}
		for _, m := range members {
			if m.By != one.By {
				one.By = ""
			}
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

// aloneIn is which side alone has a thing: also where a snapshot says in words that it isn't there.
func aloneIn(d finding.Difference) string {
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
	case strings.HasPrefix(name, "opens "):
		return "opens "
	case strings.Count(name, ".") >= 2:
		parts := strings.SplitN(name, ".", 3)
		return parts[0] + "." + parts[1] + "."
	}
	return area
}

func base(p string) string { return p[strings.LastIndexByte(p, '/')+1:] }
