package dissect

import (
	"encoding/hex"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/reading/pdmltest"
)

// dnsPlaces turn our names, which say the section and the record, into Wireshark's.
var dnsPlaces = []struct {
	ours   *regexp.Regexp
	theirs string
}{
	{regexp.MustCompile(`^dns\.(answer|authority|additional|prerequisite|update)\[\d+\]\.`), "dns.resp."},
	{regexp.MustCompile(`^dns\.(question|zone)\.(name|type|class)$`), "dns.qry.$2"},
	{regexp.MustCompile(`^dns\.question\.count$`), "dns.count.queries"},
	{regexp.MustCompile(`^dns\.answer\.count$`), "dns.count.answers"},
	{regexp.MustCompile(`^dns\.authority\.count$`), "dns.count.auth_rr"},
	{regexp.MustCompile(`^dns\.additional\.count$`), "dns.count.add_rr"},
	{regexp.MustCompile(`^dns\.(zone|prerequisite|update)\.count$`), "dns.count.${1}s"},
}

func wiresharkDNS(name string) string {
	for _, p := range dnsPlaces {
		name = p.ours.ReplaceAllString(name, p.theirs)
	}
	return name
}

// dnsUnseen are fields that only one of both has. Wireshark counts a name's bytes and labels, takes an owner of an SRV
// record apart, and names the data of a few types as a whole only; bitmaps it has without a name.
var dnsUnseen = regexp.MustCompile(`^dns\.(qry\.name\.len|count\.labels|srv\.(service|proto|name)|resp\.data|data|.*type_bitmap|tsig\.mac|` +
	`caa\.(issue|issuewild|iodef|unknown)|resp\.z\.reserved|dnskey\.flags\.reserved|wks\.bits|openpgpkey|undecoded\.type)$`)

// wholeTypes are record types that tshark 4.0 does not take apart.
var wholeTypes = []string{"SMIMEA", "URI", "TA"}

// dnsFields are ours by Wireshark's names.
func dnsFields(t *testing.T, path string) pdmltest.Fields {
	s := pdmltest.Fields{}
	dialogues := map[string]*Dialogue{}
	recorded(t, path, func(direction string, data []byte, hint Hint) {
		if dialogues[direction] == nil {
			dialogues[direction] = new(Dialogue)
		}
		d := dialogues[direction].Next(data, hint)
		checkRanges(t, d, len(data))
		kind := ""
		for _, f := range d.Fields {
			name := wiresharkDNS(f.Name)
			if name == "dns.resp.type" {
				kind = f.Value
			}
			if f.Name == "malformed" {
				t.Errorf("%s: malformed: %s", d.Summary, f.Value)
			}
			if inner := !strings.HasPrefix(name, "dns.resp."); inner && slices.Contains(wholeTypes, kind) || f.Length == 0 || dnsUnseen.MatchString(name) ||
				name == "dns.resp.name" && strings.HasPrefix(f.Value, "_sip.") {
				continue
			}
			s.Add(direction, name, pdmltest.Field{Value: f.Value, Bytes: hex.EncodeToString(data[f.Offset : f.Offset+f.Length])})
		}
	})
	return s
}

// plainDNS says a root, a time and some types as we do.
func plainDNS(f pdmltest.Field) pdmltest.Field {
	f.Label = strings.NewReplacer("Type: * ", "Type: ANY ", "Type: Unknown (53)", "Type: SMIMEA", "Type: Unknown (4711)", "Type: TYPE4711").Replace(f.Label)
	if f.Value == "<Root>" {
		f.Value = "."
	}
	if at, err := time.Parse("Jan _2, 2006 15:04:05.000000000 MST", f.Value); err == nil {
		f.Value = at.Format(time.RFC3339)
	}
	return f
}

// TestEveryFieldOfDNSIsTsharks compares all that either has, on an exchange with BIND that transfers a zone with
// records of all types, asks with every option of EDNS, and updates.
func TestEveryFieldOfDNSIsTsharks(t *testing.T) {
	path := filepath.Join("testdata", "dns.pcap")
	theirs, ours := pdmltest.Fields{}, dnsFields(t, path)
	names := map[string]bool{}
	for direction, fields := range pdmltest.Read(t, path, "dns", nil) {
		for name, list := range fields {
			for _, f := range list {
				if strings.HasPrefix(name, "dns.") && !dnsUnseen.MatchString(name) && f.Bytes != "" && !strings.HasPrefix(f.Label, "RR type in bit map") {
					names[name] = true
					theirs.Add(direction, name, plainDNS(f))
				}
			}
		}
	}
	compared := 0
	for direction, fields := range ours {
		for name := range fields {
			names[name] = true
		}
		for name := range names {
			compared += pdmltest.Compare(t, direction+": "+name, fields[name], theirs[direction][name], false)
		}
	}
	t.Log(compared, "fields compared")
	if compared < 1000 {
		t.Errorf("only %d fields were compared", compared)
	}
}
