package compare

import (
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/evidence/environment"
	"github.com/inquest-project/inquest/internal/ground/finding"
)

// once leaves out what another difference tells already: a file of which the area that reads it tells what it says, a variable
// that counts as locale, the lines of a file that isn't there, the package and the file of a library.
func once(all []finding.Difference, a, b *environment.Environment) []finding.Difference {
	told := map[string]environment.Area{} // names, by the last area that tells them and is neither file nor environment
	locale, sources := false, false
	for _, d := range all {
		switch area := environment.Area(d.Area); area {
		case environment.AreaFile, environment.AreaEnvironment:
		default:
			told[d.Name] = area
			locale = locale || area == environment.AreaLocale && (d.Name == "LANG" || strings.HasPrefix(d.Name, "LC_"))
			sources = sources || area == environment.AreaNameService && d.Name != hostsToldBy && !strings.HasPrefix(d.Name, "/")
		}
	}
	files, packages := map[string]bool{}, map[string]bool{}
	for _, e := range []*environment.Environment{a, b} {
		for _, o := range e.Objects() {
			files[o.Path] = true
			packages[o.Package] = packages[o.Package] || told[soNameOf(o)] == environment.AreaObject
		}
	}
	_, switchMissing := told[nsswitch]
	return slices.DeleteFunc(all, func(d finding.Difference) bool {
		_, elsewhere := told[d.Name]
		switch environment.Area(d.Area) {
		case environment.AreaFile:
			return elsewhere || files[d.Name] || d.Name == nsswitch && sources
		case environment.AreaEnvironment:
			return elsewhere || d.Name == "GLIBC_TUNABLES" && tunes(all)
		case environment.AreaLocale:
			return locale && strings.HasPrefix(d.Name, "effective ")
		case environment.AreaNameService:
			return switchMissing && (d.Name == hostsToldBy || d.OnlyIn != "" && !strings.HasPrefix(d.Name, "/"))
		case environment.AreaPackage:
			return packages[d.Name]
		}
		return false
	})
}

// What the snapshot's area of name service calls them.
const (
	nsswitch    = "/etc/nsswitch.conf"
	hostsToldBy = "hosts is told by"
)

func tunes(all []finding.Difference) bool {
	return slices.ContainsFunc(all, func(d finding.Difference) bool {
		return environment.Area(d.Area) == environment.AreaTunable && strings.HasPrefix(d.Name, "glibc.")
	})
}
