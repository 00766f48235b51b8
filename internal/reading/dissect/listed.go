package dissect

import "strings"

// listed makes a dissection of what a packet list's Info column says: Wireshark names the messages, and
// that is all there is of them.
func listed(hint Hint) Dissection {
	s := &sheet{}
	protocol := "listed"
	for message := range strings.FieldsFuncSeq(hint.Listed, func(c rune) bool { return c == ',' || c == ';' }) {
		message, _, _ = strings.Cut(strings.TrimSpace(message), " (") // newer versions add "(SNI=…)"
		if message == "" {
			continue
		}
		s.say("%s", message)
		s.tag(message)
		if handshakeTags[strings.ToLower(message)] {
			protocol = "TLS"
			s.handshakeAnswers(message, hint.FromClient)
		}
	}
	switch {
	case strings.HasPrefix(hint.Listed, "HTTP/1."):
		protocol = "HTTP"
		s.tag("response")
		s.answer("request")
	case strings.Contains(hint.Listed, " HTTP/1."):
		protocol = "HTTP"
		s.tag("request", strings.Fields(hint.Listed)[0])
	case strings.HasPrefix(hint.Listed, "Standard query response"):
		protocol = "DNS"
		s.tag("response", "answer")
		s.answer("question", "query")
	case strings.HasPrefix(hint.Listed, "Standard query"):
		protocol = "DNS"
		s.tag("query", "question")
	}
	return s.done(protocol)
}

// handshakeTags are the messages of a TLS connection by the names that Wireshark lists.
var handshakeTags = func() map[string]bool {
	tags := map[string]bool{"change cipher spec": true, "encrypted handshake message": true, "application data": true}
	for _, name := range handshakeNames {
		tags[words(name)] = true
	}
	return tags
}()

// handshakeAnswers notes which of the client's messages a server's handshake message answers (RFC 5246,
// section 7.3). A client sends certificates, too: those answer nothing that it could have died of.
func (s *sheet) handshakeAnswers(name string, fromClient bool) {
	if fromClient {
		return
	}
	switch strings.ToLower(name) {
	case "server hello", "certificate", "server key exchange", "server hello done", "certificate request":
		s.answer("client hello")
	case "new session ticket":
		s.answer("client key exchange")
	}
}
