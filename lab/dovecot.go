package lab

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// dovecot is Debian's IMAP server with a module that adds a command, XDIGEST. A set of messages may name more
// than there are only by "*", which is the last one; so "41:*" is "40:41" turned round where there are 40
// messages, and legal. The module asserts that ranges aren't turned round. One imap process serves all
// clients, behind a process that logs them in and hands their sockets over.
var dovecot = Case{
	Name:    "dovecot",
	Program: "/usr/lib/dovecot/imap",
	Listen:  netip.MustParseAddrPort("127.0.0.1:1143"),
	Prepare: prepareDovecot,
	Command: func(s *Stage) []string {
		return []string{"/usr/sbin/dovecot", "-F", "-c", s.Home + "/etc/dovecot.conf"}
	},
	Script:    scriptDovecot,
	Culprit:   Culprit{Module: "lib95_imap_digest_plugin.so", Function: "digest_range", Role: "decided"},
	Mechanism: "assertion",
}

const dovecotConf = `base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 1 secs
mail_location = maildir:~/Maildir
mail_plugin_dir = %[1]s/lib
first_valid_uid = 8
first_valid_gid = 8
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%%n %[1]s/etc/users
}
userdb {
  driver = static
  args = uid=mail gid=mail home=%[1]s/mail/%%n
}
service imap-login {
  service_count = 0
  process_min_avail = 1
  inet_listener imap {
    port = 1143
  }
  inet_listener imaps {
    port = 0
  }
}
service imap {
  service_count = 0
  process_min_avail = 1
  process_limit = 1
  client_limit = 600
}
protocol imap {
  mail_plugins = imap_digest
  mail_max_userip_connections = 100
}
namespace inbox {
  inbox = yes
  mailbox Sent {
    auto = create
  }
}
`

// mailUsers have each as many messages, one by one, as their place says: see mailCount.
var mailUsers = []string{"alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"}

func mailCount(user int) int { return 12 + 4*user }

func prepareDovecot(s *Stage) error {
	// A source of its own: the script goes by the stage's alone.
	r := rand.New(rand.NewPCG(s.Seed, 1))
	if err := os.MkdirAll(filepath.Join(s.Home, "etc"), 0o755); err != nil {
		return err
	}
	var users strings.Builder
	for i, user := range mailUsers {
		fmt.Fprintf(&users, "%s:%s\n", user, mailPassword(i))
		for _, dir := range []string{"cur", "new", "tmp"} {
			if err := os.MkdirAll(filepath.Join(s.Home, "mail", user, "Maildir", dir), 0o700); err != nil {
				return err
			}
		}
		for n := range mailCount(i) {
			name := fmt.Sprintf("%d.M%dP1.edge1:2,%s", 1700000000+60*n, n, []string{"", "S", "S", "RS", "FS"}[r.IntN(5)])
			if err := os.WriteFile(filepath.Join(s.Home, "mail", user, "Maildir/cur", name), mailText(r), 0o600); err != nil {
				return err
			}
		}
	}
	if out, err := exec.Command("chown", "-R", "mail:mail", filepath.Join(s.Home, "mail")).CombinedOutput(); err != nil {
		return fmt.Errorf("giving the mail to its user: %w: %s", err, out)
	}
	if err := os.WriteFile(filepath.Join(s.Home, "etc/users"), []byte(users.String()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.Home, "etc/dovecot.conf"), fmt.Appendf(nil, dovecotConf, s.Home), 0o644)
}

func mailPassword(user int) string { return fmt.Sprintf("pw-%d-%s", 7919*(user+3), mailUsers[user]) }

func mailText(r *rand.Rand) []byte {
	from := mailUsers[r.IntN(len(mailUsers))]
	return fmt.Appendf(nil, "From: %s <%s@example.net>\r\nTo: list@example.net\r\nSubject: %s\r\nDate: Mon, 02 Jun 2025 10:%02d:00 +0200\r\nMessage-ID: <%x@example.net>\r\n\r\n%s\r\n",
		from, from, prose(r, 1+r.IntN(6)), r.IntN(60), random(r, 10), prose(r, 10+r.IntN(200)))
}

func scriptDovecot(s *Stage) []Conversation {
	r := s.Rand
	death := between(r, 2800*time.Millisecond, 3200*time.Millisecond)
	user := r.IntN(len(mailUsers))
	// What was new since this client was here last: nothing, as it turns out.
	set := fmt.Sprintf("1:%d,%d:*", 2+r.IntN(5), mailCount(user)+1)
	harmless := strings.Replace(set, fmt.Sprint(mailCount(user)+1), fmt.Sprint(mailCount(user)), 1)
	script := []Conversation{
		{Killer, loopback(2000 + r.IntN(50)), death - 60*time.Millisecond, mailKiller(subrand(r), user, set)},
		{Twin, loopback(2100 + r.IntN(50)), between(r, death/4, death*3/4), mailKiller(subrand(r), user, harmless)},
	}
	for range 330 {
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(60)), between(r, 0, death+150*time.Millisecond), mailVisit(subrand(r))})
	}
	for i, command := range mailOddities(subrand(r)) {
		script = append(script, Conversation{Odd, loopback(1000 + i), between(r, death/10, death-100*time.Millisecond), mailCall(subrand(r), command)})
	}
	for i, command := range mailWaiting(subrand(r)) {
		script = append(script, Conversation{Waiting, loopback(1100 + i), between(r, death/4, death-250*time.Millisecond), mailWait(subrand(r), command)})
	}
	return script
}

// mailSession is a client's side of a session: who it is, and how it numbers its commands.
type mailSession struct {
	*Talk
	r      *rand.Rand
	user   int
	prefix string
	n      int
}

// command is a command with its tag, whole.
func (s *mailSession) command(text string) []byte {
	s.n++
	return []byte(s.tag() + " " + text + "\r\n")
}

func (s *mailSession) tag() string { return fmt.Sprintf("%s%d", s.prefix, s.n) }

// do sends a command and reads until it is answered.
func (s *mailSession) do(text string) {
	s.Send(s.command(text))
	s.answer()
}

// answer reads until the last command's answer, or a request for more, is there.
func (s *mailSession) answer() {
	tag := []byte(s.tag() + " ")
	s.Read(func(b []byte) bool {
		last := b[bytes.LastIndexByte(b[:max(0, len(b)-1)], '\n')+1:]
		return bytes.HasSuffix(b, []byte("\r\n")) && (bytes.HasPrefix(last, tag) || bytes.HasPrefix(last, []byte("+ ")) || bytes.HasPrefix(last, []byte("* BYE")))
	})
}

// mailLogin opens a session, as clients do it.
func mailLogin(t *Talk, r *rand.Rand, user int) *mailSession {
	s := &mailSession{Talk: t, r: r, user: user, prefix: []string{"a", "A00", "tag", "."}[r.IntN(4)]}
	t.Read(func(b []byte) bool { return bytes.HasSuffix(b, []byte("\r\n")) })
	if r.IntN(2) == 0 {
		s.do("CAPABILITY")
	}
	if r.IntN(4) == 0 {
		s.do("ID (\"name\" \"Thunderbird\" \"version\" \"115.6.0\")")
	}
	s.do(fmt.Sprintf("LOGIN %s %s", mailUsers[user], mailPassword(user)))
	return s
}

func mailKiller(r *rand.Rand, user int, set string) func(*Talk) {
	return func(t *Talk) {
		s := mailLogin(t, r, user)
		s.do("SELECT INBOX")
		s.do(fmt.Sprintf("XDIGEST 1:%d", mailCount(user)))
		s.Pause(time.Duration(10+r.IntN(20)) * time.Millisecond)
		s.Message(s.command("XDIGEST " + set))
		s.answer()
		s.do("LOGOUT")
	}
}

func mailCall(r *rand.Rand, command string) func(*Talk) {
	return func(t *Talk) {
		s := mailLogin(t, r, r.IntN(len(mailUsers)))
		s.do("SELECT INBOX")
		s.Message(s.command(command))
		s.answer()
	}
}

// mailWait says something that calls for more, or nothing but its beginning.
func mailWait(r *rand.Rand, command string) func(*Talk) {
	return func(t *Talk) {
		s := mailLogin(t, r, r.IntN(len(mailUsers)))
		s.do("SELECT INBOX")
		first, rest, more := strings.Cut(command, "\r\n")
		if more {
			s.do(first)
			s.Message([]byte(rest))
		} else {
			s.n++
			s.Message([]byte(s.tag() + " " + command))
		}
		s.Outlast()
	}
}

// mailVisit is a mail program that looks for what is new, a telephone that waits for mail, a program that
// files what it sent, or somebody who doesn't know the password.
func mailVisit(r *rand.Rand) func(*Talk) {
	return func(t *Talk) {
		user := r.IntN(len(mailUsers))
		if r.IntN(30) == 0 {
			t.Read(func(b []byte) bool { return bytes.HasSuffix(b, []byte("\r\n")) })
			t.Send(fmt.Appendf(nil, "1 LOGIN %s wrong%d\r\n", mailUsers[user], r.IntN(100)))
			t.Read(func(b []byte) bool { return bytes.Contains(b, []byte("\n1 ")) || bytes.HasPrefix(b, []byte("1 ")) })
			return
		}
		s := mailLogin(t, r, user)
		if r.IntN(3) == 0 {
			s.do("LIST \"\" \"*\"")
		}
		s.do([]string{"SELECT INBOX", "SELECT INBOX", "SELECT \"INBOX\"", "EXAMINE INBOX"}[r.IntN(4)])
		for range 1 + r.IntN(4) {
			s.ordinary()
			s.Pause(time.Duration(r.IntN(50)) * time.Millisecond)
		}
		s.message.Bytes = nil
		if r.IntN(4) > 0 {
			s.do("LOGOUT")
		}
	}
}

func (s *mailSession) ordinary() {
	r, count := s.r, mailCount(s.user)
	one := 1 + r.IntN(count)
	switch r.IntN(11) {
	case 0:
		s.do(fmt.Sprintf("FETCH %d (UID FLAGS BODY.PEEK[HEADER.FIELDS (FROM SUBJECT DATE)])", one))
	case 1:
		s.do(fmt.Sprintf("UID FETCH %d:* (FLAGS)", one))
	case 2:
		s.do(fmt.Sprintf("FETCH %d:%d (UID FLAGS RFC822.SIZE INTERNALDATE)", max(1, one-5), one))
	case 3:
		s.do([]string{"SEARCH UNSEEN", "SEARCH SUBJECT \"invoice\"", "UID SEARCH SINCE 1-Jun-2025 FLAGGED"}[r.IntN(3)])
	case 4:
		s.do(fmt.Sprintf("STORE %d +FLAGS.SILENT (\\Seen)", one))
	case 5:
		s.idle()
	case 6:
		s.file(mailText(r))
	case 7:
		s.Slowly(s.command(fmt.Sprintf("FETCH %d (BODY.PEEK[TEXT]<0.200>)", one)), 8+r.IntN(12), time.Duration(2+r.IntN(15))*time.Millisecond)
		s.answer()
	case 8:
		s.do("STATUS Sent (MESSAGES UIDNEXT UNSEEN)")
	default:
		s.do("XDIGEST " + []string{fmt.Sprintf("1:%d", one), fmt.Sprintf("%d:*", one), "1:*", fmt.Sprintf("%d,1:%d", count, (one+1)/2)}[r.IntN(4)])
	}
}

func (s *mailSession) idle() {
	s.do("IDLE")
	s.Pause(time.Duration(20+s.r.IntN(250)) * time.Millisecond)
	s.Send([]byte("DONE\r\n"))
	s.answer()
}

// file puts a message away, by a literal that the server asks for.
func (s *mailSession) file(text []byte) {
	s.do(fmt.Sprintf("APPEND Sent (\\Seen) {%d}", len(text)))
	s.Send(append(text, "\r\n"...))
	s.answer()
}

// mailOddities are longer, rarer or stranger than the killer.
func mailOddities(r *rand.Rand) []string {
	var numbers []string
	for i := range 12 {
		numbers = append(numbers, fmt.Sprint(12-i))
	}
	return []string{
		"XDIGEST *",
		"XDIGEST *:1",
		"XDIGEST 7:3,2:1",
		"XDIGEST " + strings.Join(numbers, ","),
		"XDIGEST 4000000000:4294967294", // more than there are
		"XDIGEST \"1:*\"",               // a string is no set
		"UID FETCH 5000:* (FLAGS MODSEQ) (CHANGEDSINCE 1)",
		"FETCH 900:* (FLAGS)",
		"SEARCH CHARSET UTF-8 OR (NOT SUBJECT \"Zürich\") (LARGER 100 SMALLER 4000) KEYWORD $Forwarded",
		"THREAD REFERENCES UTF-8 ALL",
		"SORT (REVERSE SIZE SUBJECT) US-ASCII 1:* NOT DELETED",
		"LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (\"INBOX\" \"Sent/%\" \"&ZeVnLIqe-\") RETURN (CHILDREN STATUS (MESSAGES))",
		"FETCH 1:3 (ENVELOPE BODYSTRUCTURE BODY.PEEK[1.MIME] BINARY.SIZE[1] BODY.PEEK[HEADER.FIELDS.NOT (RECEIVED " + strings.Repeat("X-Header-With-A-Long-Name ", 60) + "X-Last)])",
		"STORE 1 (UNCHANGEDSINCE 12345) +FLAGS.SILENT ($MDNSent $Junk \\Answered custom-" + fmt.Sprintf("%x", random(r, 40)) + ")",
		"CREATE {12+}\r\nArchive/2025",
		"NOTIFY SET (SELECTED (MessageNew (UID FLAGS) MessageExpunge))",
		"GETQUOTAROOT INBOX",
		"XGIBBERISH " + fmt.Sprintf("%x", random(r, 1500)),
		"GET / HTTP/1.1",
	}
}

// mailWaiting gets no answer: half a command, half a message, the end of a wait that doesn't come.
func mailWaiting(r *rand.Rand) []string {
	var commands []string
	for range 4 {
		text := mailText(r)
		commands = append(commands,
			fmt.Sprintf("APPEND Sent (\\Seen) {%d}\r\n%s", len(text), text[:len(text)/2]),
			"IDLE\r\nDO",
			fmt.Sprintf("UID FETCH %d:* (FLA", 1+r.IntN(40)),
			fmt.Sprintf("XDIGEST %d", 1+r.IntN(40)))
	}
	return commands
}
