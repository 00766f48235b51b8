package weigh

// diverges says whether memory holds another text than a message where they have a stretch in common: one that begins alike
// and goes on otherwise, as commands do. at is where the stretch lies in memory, offset where in the message. A place where a
// program decodes what was escaped ends no text.
func diverges(memory []byte, at int, message []byte, offset, length int) bool {
	const enough = 4 // bytes of text on both sides
	for at+length < len(memory) && offset+length < len(message) && folding[memory[at+length]] == folding[message[offset+length]] {
		length++
	}
	for at > 0 && offset > 0 && folding[memory[at-1]] == folding[message[offset-1]] {
		at, offset, length = at-1, offset-1, length+1
	}
	begins := offset == 0 || at == 0 || !isText(memory[at-1])
	return begins && goesOn(memory[at+length:], enough) && goesOn(message[offset+length:], enough) && !escapes[message[offset+length]]
}

// goesOn says whether a text goes on for n bytes.
func goesOn(data []byte, n int) bool {
	if len(data) < n {
		return false
	}
	for _, b := range data[:n] {
		if !isASCII(b) {
			return false
		}
	}
	return true
}

// escapes begin what programs decode in place.
var escapes = map[byte]bool{'%': true, '\\': true, '+': true, '=': true, '&': true}
