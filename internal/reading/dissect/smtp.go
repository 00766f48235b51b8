package dissect

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var smtpPorts = []uint16{24, 25, 465, 587, 2525}

// smtpVerbs are the commands (RFC 5321 and its extensions; LMTP: RFC 2033), and whether a line that begins with one
// is hardly of another protocol.
var smtpVerbs = map[string]bool{
	"HELO": true, "EHLO": true, "LHLO": true, "MAIL": false, "RCPT": false, "DATA": false, "BDAT": false, "RSET": false, "VRFY": true,
	"EXPN": true, "HELP": false, "NOOP": false, "QUIT": false, "AUTH": false, "STARTTLS": false, "ETRN": true, "XCLIENT": true, "XFORWARD": true,
}

var (
	smtpAddress  = regexp.MustCompile(`(?i)^(MAIL FROM|RCPT TO):`)
	smtpReply    = regexp.MustCompile(`^[2-5][0-9][0-9]([ -]|$)`)
	smtpEnhanced = regexp.MustCompile(`^([245])[0-9][0-9][ -]([245])\.[0-9]{1,3}\.[0-9]{1,3}( |$)`) // RFC 2034
	smtpGreeting = regexp.MustCompile(`^220[ -].*\b(E?SMTP|LMTP)\b`)
	smtpOffers   = regexp.MustCompile(`^250[ -](PIPELINING|SIZE|8BITMIME|STARTTLS|ENHANCEDSTATUSCODES|CHUNKING|SMTPUTF8|DSN|ETRN|VRFY)\b`)
	smtpHeader   = regexp.MustCompile(`(?i)^(Received|Return-Path|From|To|Message-ID|Date|Subject|DKIM-Signature|MIME-Version): `)
)

const (
	smtpLineMost = 2048 // bytes of a line that are looked at
	smtpDataEnd  = "\r\n.\r\n"
)

type smtpReader struct {
	sheet
	data []byte
	hint Hint
}

// smtp reads SMTP (RFC 5321) and LMTP (RFC 2033): commands with the mail that follows them, mail alone, or
// replies.
func smtp(data []byte, hint Hint) (Dissection, bool) {
	s := &smtpReader{data: data, hint: hint}
	s.tag("smtp")
	onPort := slices.Contains(smtpPorts, hint.Port) && mostlyText(data[:min(len(data), smtpLineMost)])
	line, _, _ := lineAt(data[:min(len(data), smtpLineMost)], 0)
	verb := smtpVerb(line)
	switch {
	case s.isReplies() || onPort && !hint.FromClient && smtpReply.Match(line):
		s.replies()
	case isTellingCommand(line, verb) || onPort && hint.FromClient && verb != "":
		s.commands(0)
	case isMail(data) || onPort && hint.FromClient && len(data) > 0:
		s.commands(s.mail(0))
	default:
		return Dissection{}, false
	}
	return s.done("SMTP"), true
}

// smtpVerb is the command that a line begins with, in capital letters, or "".
func smtpVerb(line []byte) string {
	word, _, _ := bytes.Cut(line[:min(len(line), 16)], []byte(" "))
	verb := strings.ToUpper(string(word))
	if _, known := smtpVerbs[verb]; !known {
		return ""
	}
	return verb
}

func isTellingCommand(line []byte, verb string) bool {
	return smtpVerbs[verb] && len(line) > len(verb)+1 || smtpAddress.Match(line)
}

// isMail says whether data is mail up to its end (RFC 5321, section 4.1.1.4).
func isMail(data []byte) bool {
	return smtpHeader.Match(data) && bytes.Contains(data, []byte(smtpDataEnd))
}

// isReplies says whether one of the first lines is a reply that is SMTP's, and all are replies.
func (s *smtpReader) isReplies() bool {
	const lines = 20
	telling := false
	for n, at := 0, 0; n < lines && at < len(s.data); n++ {
		line, next, whole := lineAt(s.data[:min(len(s.data), at+smtpLineMost)], at)
		if !whole || !smtpReply.Match(line) {
			return false
		}
		enhanced := smtpEnhanced.FindSubmatch(line)
		telling = telling || smtpGreeting.Match(line) || smtpOffers.Match(line) ||
			enhanced != nil && enhanced[1][0] == enhanced[2][0] || bytes.HasPrefix(line, []byte("354 ")) && bytes.Contains(line, []byte("<CRLF>.<CRLF>"))
		at = next
	}
	return telling
}

// replies reads lines of a code and a text; a hyphen between them says that more follows (section 4.2).
func (s *smtpReader) replies() {
	s.tag("reply", "response")
	for at := 0; at < len(s.data) && !s.full(); {
		line, next, _ := lineAt(s.data, at)
		if !smtpReply.Match(line[:min(len(line), 4)]) {
			s.malformed(at, "expected a reply's code, found %q", printable(line[:min(len(line), 20)]))
		} else {
			s.reply(line, at)
		}
		at = next
	}
}

func (s *smtpReader) reply(line []byte, at int) {
	code, text := line[:3], line[min(4, len(line)):]
	s.field("smtp.response.code", string(code), at, 3)
	if len(text) > 0 {
		s.field("smtp.rsp.parameter", printable(text), at+4, len(text))
		s.part("text", at+4, len(text))
	}
	if len(line) < 4 || line[3] == ' ' {
		s.say("%s %s", code, printable(text[:min(len(text), 60)]))
	}
	if code[0] == '4' || code[0] == '5' {
		s.tag("error")
	}
	if smtpOffers.Match(line) {
		offer, _, _ := bytes.Cut(text, []byte(" "))
		s.tag(shortName(offer))
	}
	if code[0] != '3' && string(code) != "220" {
		s.answer("command", "request")
	}
}

// commands reads lines of commands, and the mail that follows DATA or BDAT.
func (s *smtpReader) commands(at int) {
	for at < len(s.data) && !s.full() {
		line, next, whole := lineAt(s.data, at)
		if !whole {
			s.tag("partial")
		}
		verb := smtpVerb(line)
		if verb == "" {
			s.other(line, at)
			at = next
			continue
		}
		parameter := bytes.TrimLeft(line[len(verb):], " ")
		s.command(verb, token{line[:len(verb)], at}, token{parameter, at + len(line) - len(parameter)})
		switch {
		case verb == "DATA" && next < len(s.data):
			next = s.mail(next)
		case verb == "BDAT":
			next = s.chunk(next, parameter)
		case verb == "STARTTLS" && next < len(s.data):
			if inner, ok := tls(s.data[next:], s.hint); ok {
				s.adopt(inner, next)
				s.rest = inner.rest
				return
			}
		}
		at = next
	}
}

func (s *smtpReader) command(verb string, command, parameter token) {
	s.keep("smtp.req.command", command)
	s.tag("command", "request", verb)
	if verb == "STARTTLS" {
		s.tag("tls", "start_tls")
	}
	if len(parameter.text) > 0 {
		s.keep("smtp.req.parameter", parameter)
		s.part("parameter", parameter.at, len(parameter.text))
	}
	s.say("%s", strings.TrimSpace(verb+" "+printable(parameter.text[:min(len(parameter.text), 60)])))
	if _, path, found := bytes.Cut(parameter.text, []byte("<")); found {
		if end := bytes.IndexByte(path, '>'); end > 0 {
			s.part("address", parameter.at+bytes.IndexByte(parameter.text, '<')+1, end)
			s.tag("address")
		}
	}
}

// other keeps a line that is no command: an answer to AUTH's challenge, or nonsense.
func (s *smtpReader) other(line []byte, at int) {
	s.field("smtp.command_line", printable(line), at, len(line))
	s.part("line", at, len(line))
	s.say("%s", printable(line[:min(len(line), 60)]))
}

// chunk reads as many bytes of mail as BDAT says (RFC 3030), and returns where they end.
func (s *smtpReader) chunk(at int, parameter []byte) int {
	size, _, _ := bytes.Cut(parameter, []byte(" "))
	n, err := strconv.ParseUint(string(size), 10, 31)
	if err != nil {
		s.malformed(at, "expected a chunk's size, found %q", printable(size[:min(len(size), 40)]))
		return at
	}
	end := min(at+int(n), len(s.data))
	s.field("smtp.message", printable(s.data[at:end]), at, end-at)
	s.part("chunk", at, end-at)
	s.tag("chunk")
	return end
}

// mail reads mail up to its end or the message's (RFC 5321, section 4.5.2; RFC 5322), and returns where that is.
func (s *smtpReader) mail(at int) int {
	end := len(s.data)
	if i := bytes.Index(s.data[at:], []byte(smtpDataEnd)); i >= 0 {
		end = at + i + 2
	}
	s.tag("mail", "message", "body")
	s.say("mail, %d bytes", end-at)
	body := s.mailHeaders(at, end)
	if body < end {
		s.field("smtp.message", printable(s.data[body:end]), body, end-body)
		s.part("body", body, end-body)
	}
	if end == len(s.data) {
		return end
	}
	s.field("smtp.eom", ".", end, len(smtpDataEnd)-2)
	return end + len(smtpDataEnd) - 2
}

// mailHeaders reads header fields, each with its continued lines, and returns where the body begins.
func (s *smtpReader) mailHeaders(at, end int) (body int) {
	for at < end && !s.full() {
		line, next, _ := lineAt(s.data[:end], at)
		if len(line) == 0 {
			return next
		}
		name, _, found := bytes.Cut(line[:min(len(line), 80)], []byte(":"))
		if !found || !isWord(name) {
			return at
		}
		last := at + len(line)
		for next < end && (s.data[next] == ' ' || s.data[next] == '\t') {
			var more []byte
			begin := next
			more, next, _ = lineAt(s.data[:end], begin)
			last = begin + len(more)
		}
		value := s.data[at+len(name)+1 : last]
		trimmed := bytes.TrimLeft(value, " \t\r\n")
		s.field("imf."+strings.ReplaceAll(shortName(name), "-", "_"), printable(trimmed), last-len(trimmed), len(trimmed))
		s.part("header value", last-len(trimmed), len(trimmed))
		s.tag("header", shortName(name))
		at = next
	}
	return at
}
