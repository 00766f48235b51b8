// Package keylog reads and writes the secrets of TLS connections in the form that browsers, servers and
// Wireshark share: NSS's key log (draft-ietf-tls-keylogfile; the older RSA lines are in NSS's own
// description). Parse is the way in, Write the way out; Sniff knows such a file.
//
// A log is a text file of lines of three words: a label, the client's random in hexadecimal, the secret in
// hexadecimal. A line that is none is damage, and the others are read.
package keylog

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// The labels whose secrets open records. Others are kept, too.
const (
	Master          = "CLIENT_RANDOM" // TLS 1.2 and earlier
	Premaster       = "RSA"           // known by the first 8 bytes of its encrypted form, not by a random
	ClientEarly     = "CLIENT_EARLY_TRAFFIC_SECRET"
	ClientHandshake = "CLIENT_HANDSHAKE_TRAFFIC_SECRET"
	ServerHandshake = "SERVER_HANDSHAKE_TRAFFIC_SECRET"
	ClientTraffic   = "CLIENT_TRAFFIC_SECRET_0"
	ServerTraffic   = "SERVER_TRAFFIC_SECRET_0"
)

// Entry is a line.
type Entry struct {
	Label  string
	Key    []byte // the client's random; of a Premaster the first 8 bytes of its encrypted form
	Secret []byte
}

// Connection is the client's random, by which the entry's connection is known; empty of a Premaster, which isn't.
func (e Entry) Connection() string {
	if e.Label == Premaster {
		return ""
	}
	return string(e.Key)
}

// longest is more than any line has: a label, a random, and a secret of at most 64 bytes.
const longest = 512

// Sniff says whether a file that begins with head is a key log: whether its first line that is no comment is an entry.
func Sniff(head []byte) bool {
	for line := range bytes.Lines(head) {
		if text := plain(line); text != "" {
			_, problem := parseLine(text)
			return problem == ""
		}
	}
	return false
}

// mostDamage is how many lines that are no entries are told one by one.
const mostDamage = 100

// Parse reads a log.
func Parse(name string, data []byte) ([]Entry, []cursor.Damage) {
	var entries []Entry
	var damage []cursor.Damage
	offset, untold := int64(0), 0
	for line := range bytes.Lines(data) {
		if text := plain(line); text != "" {
			entry, problem := parseLine(text)
			switch {
			case problem == "":
				entries = append(entries, entry)
			case len(damage) < mostDamage:
				damage = append(damage, cursor.Damage{Part: name, Offset: offset, Problem: problem})
			default:
				untold++
			}
		}
		offset += int64(len(line))
	}
	if untold > 0 {
		damage = append(damage, cursor.Damage{Part: name, Offset: -1, Problem: fmt.Sprintf("%d more lines are no entries", untold)})
	}
	return entries, damage
}

// plain is a line without its end; empty if it is a comment. Old versions of NSS left NULs in front of it.
func plain(line []byte) string {
	text := bytes.Trim(line[:min(len(line), longest)], " \t\r\n\x00")
	if bytes.HasPrefix(text, []byte("#")) {
		return ""
	}
	return string(text)
}

func parseLine(text string) (e Entry, problem string) {
	words := strings.Fields(text)
	if len(words) != 3 {
		return e, fmt.Sprintf("expected a label, a random and a secret, found %d words", len(words))
	}
	if strings.Trim(words[0], "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
		return e, fmt.Sprintf("expected a label in capitals, found %q", clip(words[0]))
	}
	key, err := hex.DecodeString(words[1])
	secret, err2 := hex.DecodeString(words[2])
	if err != nil || err2 != nil {
		return e, "expected a random and a secret in hexadecimal, found something else"
	}
	e = Entry{words[0], key, secret}
	if want := e.keyLength(); len(key) != want {
		return e, fmt.Sprintf("expected %d bytes to know the connection by, found %d", want, len(key))
	}
	if !e.possible() {
		return e, fmt.Sprintf("expected a secret as long as %q has it, found %d bytes", e.Label, len(secret))
	}
	return e, ""
}

func (e Entry) keyLength() int {
	if e.Label == Premaster {
		return 8
	}
	return 32
}

// possible says whether a secret has a length that its label can have: a hash's, and a master's is 48.
func (e Entry) possible() bool {
	switch e.Label {
	case Master, Premaster:
		return len(e.Secret) == 48
	}
	return len(e.Secret) > 0 && len(e.Secret) <= 64
}

// clip shortens what an error message quotes.
func clip(s string) string { return s[:min(len(s), 40)] }

// Write writes a log.
func Write(w io.Writer, entries []Entry) error {
	b := bufio.NewWriter(w)
	for _, e := range entries {
		fmt.Fprintf(b, "%s %x %x\n", e.Label, e.Key, e.Secret)
	}
	return b.Flush()
}
