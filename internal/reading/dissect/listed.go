package dissect

import "strings"

// listed makes a dissection of what a packet list's Info column says: Wireshark names the messages, and
// that is all there is of them.
func listed(info string) Dissection {
	s := &sheet{}
	for _, message := range strings.Split(info, ",") {
		message = strings.TrimSpace(message)
		if message == "" {
			continue
		}
		s.say("%s", message)
		s.tag(message)
		s.Answers = append(s.Answers, answeredBy(message)...)
	}
	return s.done("listed")
}

// answeredBy are the tags of the message to which a server's handshake message is the answer (RFC 5246,
// section 7.3).
func answeredBy(handshake string) []string {
	switch strings.ReplaceAll(strings.ToLower(handshake), "_", " ") {
	case "server hello", "certificate", "server key exchange", "server hello done", "certificate request":
		return []string{"client hello"}
	case "new session ticket":
		return []string{"client key exchange", "finished"}
	}
	return nil
}
