package words

import (
	"slices"
	"strings"
	"testing"

	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/reasoning/compare"
)

func TestEveryWayThatADifferenceTouchesHasASentence(t *testing.T) {
	for _, how := range compare.Ways() {
		if strings.Count(ways[how], "%s") != 1 {
			t.Errorf("%q: expected a sentence with one name in it, found %q", how, ways[how])
		}
	}
	for how := range ways {
		if !slices.Contains(compare.Ways(), how) {
			t.Errorf("a sentence for %q, which nothing finds", how)
		}
	}
}

func TestEveryAreaHasAPlural(t *testing.T) {
	for area := range strings.SplitSeq("object,file,name service,network,process,limit,capability,seccomp,namespace,cgroup,environment,locale,time zone,tunable,package,kernel,cpu,sysctl", ",") {
		if plurals[area] == "" {
			t.Errorf("no plural of %s", area)
		}
	}
}

func TestDifferencesAreToldWhereTheyDiffer(t *testing.T) {
	path := strings.Repeat("/usr/local/some/folder/bin:", 4) + "/usr/bin"
	for _, c := range []struct{ area, name, a, b, onlyIn, want string }{
		{"limit", "open files", "64", "128", "", "limit open files: in A 64; in B 128"},
		{"environment", "FOO", "bar", "", "a", "variable FOO is missing in B; in A: bar"},
		{"environment", "FOO", "", "bar", "", "variable FOO: in A empty; in B bar"},
		{"environment", "PATH", path, "/opt/x:" + path, "", "variable PATH: nothing is in A only; in B only /opt/x; the other 5 parts are the same"},
		{"environment", "PATH", path + ":/a:/b", path + ":/b:/a", "", "variable PATH: the same 7 parts in another order"},
		{"environment", "X", strings.Repeat("a", 80) + "1", strings.Repeat("a", 80) + "2", "", "variable X: in A …" + strings.Repeat("a", 20) + "1; in B …" + strings.Repeat("a", 20) + "2"},
		{"name service", "/etc/hosts", "missing", "127.0.0.1 localhost", "", "/etc/hosts is missing in A; in B: 127.0.0.1 localhost"},
		{"time zone", "/etc/localtime", "present", "missing: times are UTC", "", "/etc/localtime is missing in B; in A: present"},
		{"file", "/etc/x", "file 0644 0:0 12 bytes 00aa", "", "a", "/etc/x is missing in B; in A: a file of 12 bytes"},
		{"file", "/etc/x", "file 0644 0:0 12 bytes 00aa", "file 0600 0:0 13 bytes 00bb", "", "/etc/x has mode 0644 in A, 0600 in B; has 12 bytes in A, 13 in B"},
		{"file", "/etc/x", "file 0644 0:0 12 bytes 00aa", "file 0644 0:7 12 bytes 00bb", "", "/etc/x is owned by 0:0 in A, 0:7 in B; has other content, of 12 bytes in both"},
		{"file", "/etc/x", "link to /a", "file 0644 0:7 0 bytes", "", "/etc/x is in A a link to /a; in B an empty file"},
		{"file", "/etc/x", "file 0600 0:0 12 bytes", "file 0600 0:0 12 bytes 00bb", "", "/etc/x could be read in only one of A and B"},
		{"file", "", "", "", "", "empty is in A a empty; in B a empty"},
		{"object", "libx.so", "0123456789abcdef (x 1)", "1123456789abcdef", "", "libx.so is another build: in A build 01234567 (x 1); in B build 11234567"},
	} {
		d := finding.Difference{Area: c.area, Name: c.name, A: c.a, B: c.b, OnlyIn: c.onlyIn}
		if says := difference(&d); says != c.want {
			t.Errorf("expected %q, found %q", c.want, says)
		}
	}
}

func TestVerdictsOnComparisons(t *testing.T) {
	d := finding.Difference{Area: "limit", Name: "stack size", A: "1", B: "2", Touches: finding.OnStack}
	for want, c := range map[string]finding.Comparison{
		"Nothing could be compared: what the one tells of, the other does not.":                                                                              {},
		"Nothing differs that would not differ between any two moments; 1 thing is the same.":                                                                {Equal: 1},
		"1 thing differs between A and B, 2 are the same. The most telling: limit stack size: in A 1; in B 2.":                                               {Equal: 2, Differences: []finding.Difference{d}},
		"1 thing differs between A and B, 1 is the same. 1 of them touches the backtrace. The most telling: limit stack size: in A 1; in B 2.":               {Equal: 1, Differences: []finding.Difference{d}, Backtrace: []string{"x"}},
		"Nothing differs that would not differ between any two moments; 3 things are the same. All modules on the backtrace are the same builds in A and B.": {Equal: 3, Backtrace: []string{"x"}, SameBuild: []string{"x"}},
	} {
		if FillComparison(&c); c.Verdict != want {
			t.Errorf("expected %q, found %q", want, c.Verdict)
		}
	}
}
