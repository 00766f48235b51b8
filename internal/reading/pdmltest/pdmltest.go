// Package pdmltest has tshark say what the fields of a capture are, for tests that hold ours against them.
package pdmltest

import (
	"encoding/xml"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Field is a field as either sees it: what it shows, and the bytes.
type Field struct{ Value, Label, Bytes string }

// Fields are the fields by direction ("40000>6379") and name.
type Fields map[string]map[string][]Field

func (s Fields) Add(direction, name string, f Field) {
	if s[direction] == nil {
		s[direction] = map[string][]Field{}
	}
	s[direction][name] = append(s[direction][name], f)
}

// Compare holds a field of one direction against tshark's, in order, and returns how many fields were alike.
func Compare(t *testing.T, name string, ours, theirs []Field, unnamed bool) (alike int) {
	t.Helper()
	theirs = slices.DeleteFunc(theirs, func(f Field) bool { return f.Bytes == "" }) // it leaves some of them out
	for i := range max(len(ours), len(theirs)) {
		if i >= len(ours) || i >= len(theirs) {
			t.Errorf("%s: %d of ours, %d of tshark's\n%.4000v\n%.4000v", name, len(ours), len(theirs), ours, theirs)
			break
		}
		if o, its := ours[i], theirs[i]; o.Bytes != its.Bytes || !unnamed && !same(o, its) {
			t.Errorf("%s[%d]: %q of %s, tshark has %q (%s) of %s", name, i, o.Value, o.Bytes, its.Value, its.Label, its.Bytes)
			break
		}
		alike++
	}
	return alike
}

// same says whether a value is as tshark shows it, in any base, or in its label: «Message Type: Publish
// Message (3)». What it shows as hexadecimal bytes is compared as bytes.
func same(ours, theirs Field) bool {
	a, errA := strconv.ParseInt(ours.Value, 0, 64)
	b, errB := strconv.ParseInt(theirs.Value, 0, 64)
	hexadecimal := strings.ReplaceAll(theirs.Value, ":", "") == theirs.Bytes
	return ours.Value == theirs.Value || errA == nil && errB == nil && a == b || hexadecimal ||
		ours.Value != "" && strings.Contains(strings.ToLower(theirs.Label), strings.ToLower(ours.Value))
}

// Read reads the packets of a protocol in PDML, tshark's XML.
func Read(t *testing.T, path, protocol string, args []string) Fields {
	args = append([]string{"-r", path, "-T", "pdml", "-Y", protocol}, args...)
	out, err := exec.Command("tshark", args...).Output()
	if err != nil {
		t.Fatalf("tshark, the oracle of this test (make setup installs it): %v", err)
	}
	s, direction := Fields{}, ""
	for decoder := xml.NewDecoder(strings.NewReader(string(out))); ; {
		element, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return s
		}
		if err != nil {
			t.Fatalf("tshark's PDML: %v", err)
		}
		start, ok := element.(xml.StartElement)
		if !ok || start.Name.Local != "field" {
			continue
		}
		attribute := map[string]string{}
		for _, a := range start.Attr {
			attribute[a.Name.Local] = a.Value
		}
		switch attribute["name"] {
		case "tcp.srcport", "udp.srcport":
			direction = attribute["show"]
			continue
		case "tcp.dstport", "udp.dstport":
			direction += ">" + attribute["show"]
			continue
		}
		bytes := attribute["value"]
		if whole := attribute["unmaskedvalue"]; whole != "" {
			bytes = whole
		}
		if direction == "" {
			continue // no packet of a conversation yet
		}
		s.Add(direction, attribute["name"], Field{attribute["show"], attribute["showname"], bytes})
	}
}
