package packages

import (
	"bytes"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/inquest-project/inquest/internal/evidence/rooted"
)

// dpkg keeps texts: one stanza a package in "status", the files of each in "info/NAME.list", and in "diversions" what
// one package moved out of the way of its own, in threes of lines: from, to, by whom.
const (
	dpkgDir      = "/var/lib/dpkg"
	largestText  = 64 << 20 // status of a machine with everything installed has 10 MB
	mostDpkgList = 100_000
)

type diversion struct{ to, by string }

func readDpkg(root *rooted.Root, s *search) error {
	status, err := root.ReadFile(dpkgDir+"/status", largestText)
	if err != nil {
		return err
	}
	diversions := readDiversions(root)
	for from, d := range diversions {
		if s.asked[d.to] != "" {
			s.bases[path.Base(from)] = true // it is listed by its old name
		}
	}
	info, err := root.Folder(dpkgDir + "/info")
	if err != nil {
		return err
	}
	defer info.Close()
	var problems []error
	for _, p := range installed(status) {
		list, err := info.Open(p.list)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		files, err := io.ReadAll(io.LimitReader(list, largestText))
		list.Close()
		if err != nil {
			problems = append(problems, err)
		}
		for line := range bytes.Lines(files) {
			line = bytes.TrimSuffix(line, []byte("\n"))
			if !s.bases[string(line[bytes.LastIndexByte(line, '/')+1:])] {
				continue
			}
			file := string(line)
			if d, ok := diversions[file]; ok && d.by != p.plain {
				file = d.to
			}
			s.claim(p.Package, file)
		}
	}
	return errors.Join(problems...)
}

type dpkgPackage struct {
	Package
	plain string // without architecture
	list  string // file of its files
}

// installed are the packages of a status file, sorted, whose files are there.
func installed(status []byte) []dpkgPackage {
	var all []dpkgPackage
	for stanza := range bytes.SplitSeq(status, []byte("\n\n")) {
		fields := map[string]string{}
		for line := range bytes.Lines(stanza) {
			name, value, ok := strings.Cut(string(line), ": ")
			if ok && (name == "Package" || name == "Status" || name == "Version" || name == "Architecture" || name == "Multi-Arch") {
				fields[name] = strings.TrimSpace(value)
			}
		}
		name := fields["Package"]
		// Also half-installed and unpacked ones have files; of one with "config-files" only those are left.
		if state := strings.Fields(fields["Status"]); len(state) != 3 || state[2] == "not-installed" || state[2] == "config-files" || name == "" {
			continue
		}
		p := dpkgPackage{Package: Package{name, fields["Version"]}, plain: name, list: name + ".list"}
		if fields["Multi-Arch"] == "same" {
			p.Name = name + ":" + fields["Architecture"]
			p.list = p.Name + ".list"
		}
		if len(all) < mostDpkgList && p.list == path.Base(p.list) {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b dpkgPackage) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func readDiversions(root *rooted.Root) map[string]diversion {
	diversions := map[string]diversion{}
	text, err := root.ReadFile(dpkgDir+"/diversions", largestText)
	if err != nil {
		return diversions // a machine without any may lack the file
	}
	lines := strings.Split(string(text), "\n")
	for ; len(lines) >= 3; lines = lines[3:] {
		diversions[lines[0]] = diversion{to: lines[1], by: lines[2]}
	}
	return diversions
}
