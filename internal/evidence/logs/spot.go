package logs

// telling are words of which every record and every sign has one, and what else is learnt from a log. They keep its other
// lines, nearly all, from being looked at closer.
var telling = newSpotter(
	"dumped core", "terminated", "ANOM_ABEND", "1701", "SECCOMP", "1326", "segfault at", "traps: ", "]: unhandled ", "Killed ", "Killing ",
	"Watchdog timeout", "Memory failure", "signal", "exited", "COREDUMP",
	"[Hardware Error]", "achine check", "EDAC ", "lockup", "LOCKUP", "blocked for more than", "SError",
	"] audit: type=",
	`"MESSAGE":[`, `"MESSAGE" : [`, // a message in bytes may hold any of them
)

// spotter finds any of a set of words in one pass: Aho and Corasick's machine (Communications of the ACM 18/6, 1975). A
// state is the longest beginning of a word that the bytes so far end with.
type spotter struct {
	next  [][256]uint16
	found []bool
}

func newSpotter(words ...string) *spotter {
	s := &spotter{next: make([][256]uint16, 1), found: make([]bool, 1)}
	for _, word := range words {
		s.insert(word)
	}
	s.link()
	return s
}

func (s *spotter) insert(word string) {
	state := uint16(0)
	for _, c := range []byte(word) {
		if s.next[state][c] == 0 {
			s.next[state][c] = uint16(len(s.next))
			s.next, s.found = append(s.next, [256]uint16{}), append(s.found, false)
		}
		state = s.next[state][c]
	}
	s.found[state] = true
}

// link leads every state on for the bytes that continue no word: to where the longest shorter ending leads.
func (s *spotter) link() {
	fallback := make([]uint16, len(s.next))
	queue := []uint16{0}
	for i := 0; i < len(queue); i++ {
		state := queue[i]
		for c := range s.next[state] {
			shorter := s.next[fallback[state]][c]
			if child := s.next[state][c]; child == 0 {
				s.next[state][c] = shorter
			} else {
				if state != 0 {
					fallback[child] = shorter
				}
				s.found[child] = s.found[child] || s.found[fallback[child]]
				queue = append(queue, child)
			}
		}
	}
}

// in says whether a line holds one of the words.
func (s *spotter) in(line []byte) bool {
	state := uint16(0)
	for _, c := range line {
		if state = s.next[state][c]; s.found[state] {
			return true
		}
	}
	return false
}
