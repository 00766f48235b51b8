package lab

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// throwd keeps tables. A slice of a value may begin so far from its end, and nobody has thought of values
// that are shorter: the place becomes huge, substr throws std::out_of_range, and the workers catch
// nothing but the errors of their own kind.
var throwd = Case{
	Name:    "throwd",
	Listen:  netip.MustParseAddrPort("127.0.0.1:7171"),
	Prepare: prepareThrowd,
	Command: func(s *Stage) []string {
		return []string{s.Home + "/sbin/throwd", "7171", s.Home + "/data/tables"}
	},
	Script:    scriptThrowd,
	Culprit:   Culprit{Module: "libquery.so", Function: "query::slice", Role: "decided"},
	Mechanism: "exception",
}

// Rows of users: the first ones' notes are long, whoever changes them; the last one is left alone.
const tableLong, tableUsers = 25, 80

func prepareThrowd(s *Stage) error {
	r := subrand(s.Rand)
	var b strings.Builder
	for i := range tableUsers {
		b.WriteString("users " + tableUser(r, i) + "\n")
	}
	for i := range 40 {
		fmt.Fprintf(&b, "hosts edge%d address=192.0.2.%d rack=r%d owner=u%d state=up\n", i, i, r.IntN(9), r.IntN(tableUsers))
	}
	data := filepath.Join(s.Home, "data")
	return errors.Join(os.MkdirAll(data, 0o755), os.WriteFile(filepath.Join(data, "tables"), []byte(b.String()), 0o644))
}

// tableUser is a user's row: its key and fields.
func tableUser(r *rand.Rand, i int) string {
	name := []string{"alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"}[r.IntN(8)]
	return fmt.Sprintf(`u%d name="%s %c." mail=%s%d@example.net city=%s %s`, i, name, 'A'+rune(r.IntN(26)), name, i, tableCity(r), tableNote(r, i))
}

func tableCity(r *rand.Rand) string {
	return []string{"Berlin", "Lisbon", "Oslo", "Quito", "Kyoto", "Leeds"}[r.IntN(6)]
}

func tableNote(r *rand.Rand, i int) string {
	if i < tableLong {
		return fmt.Sprintf(`note="%s; since 20%02d, extension %d"`, prose(r, 8+r.IntN(8)), r.IntN(26), r.IntN(1000))
	}
	return fmt.Sprintf(`note="extension %d"`, r.IntN(1000))
}

func scriptThrowd(s *Stage) []Conversation {
	r := s.Rand
	death := between(r, 2200*time.Millisecond, 2600*time.Millisecond)
	ask := func(user int) string {
		return fmt.Sprintf("SELECT key,name,slice(note,-%d,16) FROM users WHERE key=u%d\n", 30+r.IntN(10), user)
	}
	script := []Conversation{
		{Killer, loopback(2000 + r.IntN(50)), death, tableSession(subrand(r), ask(tableUsers-1), 1+r.IntN(4))},
		{Twin, loopback(2100 + r.IntN(50)), between(r, death/4, death*3/4), tableSession(subrand(r), ask(r.IntN(tableLong)), 1+r.IntN(4))},
	}
	for range 380 {
		at := between(r, 0, death+150*time.Millisecond)
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(60)), at, tableVisit(subrand(r))})
	}
	for i, line := range tableOddities(subrand(r)) {
		at := between(r, death/10, death-20*time.Millisecond)
		script = append(script, Conversation{Odd, loopback(1000 + i), at, tableCall(line)})
	}
	for i, text := range tableWaiting(subrand(r)) {
		at := between(r, death/4, death-100*time.Millisecond)
		script = append(script, Conversation{Waiting, loopback(1100 + i), at, tableWait(text)})
	}
	return script
}

// tableAnswer reads an answer: rows, and a line that says how it went.
func (t *Talk) tableAnswer() {
	t.Read(func(b []byte) bool {
		last := b[bytes.LastIndexByte(bytes.TrimSuffix(b, []byte("\n")), '\n')+1:]
		return bytes.HasSuffix(b, []byte("\n")) && !bytes.HasPrefix(last, []byte("|"))
	})
}

// tableSession asks some ordinary things and then what it is remembered by.
func tableSession(r *rand.Rand, line string, before int) func(*Talk) {
	return func(t *Talk) {
		for range before {
			t.Send([]byte(tableCommand(r)))
			t.tableAnswer()
			t.Pause(time.Duration(r.IntN(20)) * time.Millisecond)
		}
		t.Message([]byte(line))
		t.tableAnswer()
	}
}

func tableCall(line string) func(*Talk) {
	return func(t *Talk) {
		t.Message([]byte(line))
		t.tableAnswer()
	}
}

func tableWait(text string) func(*Talk) {
	return func(t *Talk) {
		t.Message([]byte(text))
		t.Outlast()
	}
}

func tableVisit(r *rand.Rand) func(*Talk) {
	return func(t *Talk) {
		for range 1 + r.IntN(6) {
			line := []byte(tableCommand(r))
			if r.IntN(15) == 0 {
				t.Slowly(line, 10+r.IntN(20), time.Duration(3+r.IntN(20))*time.Millisecond)
			} else {
				t.Send(line)
			}
			t.tableAnswer()
			t.Pause(time.Duration(r.IntN(35)) * time.Millisecond)
		}
		t.message.Bytes = nil
		if r.IntN(3) == 0 {
			t.Send([]byte("QUIT\n"))
		}
	}
}

func tableCommand(r *rand.Rand) string {
	user := r.IntN(tableUsers - 1)
	switch r.IntN(12) {
	case 0, 1, 2:
		return fmt.Sprintf("GET users u%d\n", r.IntN(tableUsers+5))
	case 3, 4:
		return fmt.Sprintf("PUT users u%d city=%s %s\n", user, tableCity(r), tableNote(r, user))
	case 5:
		return fmt.Sprintf("PUT hosts edge%d state=%s\n", r.IntN(40), []string{"up", "down", "draining"}[r.IntN(3)])
	case 6:
		return fmt.Sprintf("COUNT %s\n", []string{"users", "hosts", "jobs"}[r.IntN(3)])
	case 7: // the end of a long note, as the killer asks for it
		return fmt.Sprintf("SELECT key,name,slice(note,-%d,%d) FROM users WHERE key=u%d\n", 10+r.IntN(32), 8+r.IntN(20), r.IntN(tableLong))
	default:
		columns := []string{"key", "name", "mail", "upper(city)", "lower(name)", "length(note)", "pad(name,12)", "slice(name,0,4)", "slice(mail,-11,11)", "slice(note,-4,4)"}
		r.Shuffle(len(columns), func(i, j int) { columns[i], columns[j] = columns[j], columns[i] })
		return fmt.Sprintf("SELECT %s FROM users WHERE city=%s LIMIT %d\n", strings.Join(columns[:1+r.IntN(4)], ","), tableCity(r), 1+r.IntN(12))
	}
}

// tableOddities are longer, rarer or stranger than the killer; slices are among them, too.
func tableOddities(r *rand.Rand) []string {
	return []string{
		"SELECT slice(note,9223372036854775807,5) FROM users\n",
		"SELECT slice(note,99999999999999999999,5) FROM users\n", // no number
		"SELECT key,slice(mail,-12,-3),slice(city,400,2),slice(name,1,9223372036854775807) FROM users LIMIT 100\n",
		"SELECT slice(nothing,-500,20),slice(rack,-500,1) FROM users LIMIT 3\n", // there are no such fields
		"SELECT slice(note,-4) FROM users\n",
		"SELECT substr(note,-400,16) FROM users WHERE key=u3\n",
		"SELECT pad(key,100000),pad(mail,-7) FROM users LIMIT 1\n",
		"SELECT " + strings.Repeat("upper(name),lower(mail),", 120) + "key FROM hosts LIMIT 2\n",
		"SELECT * FROM users; DROP TABLE users; --\n",
		"SELECT ((((((((((((((( FROM users\n",
		"PUT users guest note=\"" + strings.Repeat("lorem ipsum ", 500) + "\"\n",
		fmt.Sprintf("PUT blobs b%d data=%x\n", r.IntN(100), random(r, 2500)),
		"PUT users x name=\"never closed\n",
		"GET users \"key with spaces\"\n",
		"DEL users nobody\n",
		"GET / HTTP/1.1\n",
		"\xff\xfb\x01" + string(bytes.ReplaceAll(random(r, 600), []byte("\n"), nil)) + "\n",
		"put users u1 name=lower\n",
	}
}

// tableWaiting gets no answer: a row that nobody changes, or the half of a line.
func tableWaiting(r *rand.Rand) []string {
	var texts []string
	for range 4 {
		half := tableCommand(r)
		texts = append(texts,
			fmt.Sprintf("WAIT jobs nightly%d\n", r.IntN(1000)),
			fmt.Sprintf("WAIT users u%d\n", tableUsers+10+r.IntN(100)),
			half[:len(half)-1-r.IntN(6)])
	}
	return texts
}
