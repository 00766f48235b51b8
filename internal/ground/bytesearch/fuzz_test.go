package bytesearch

import "testing"

// FuzzSearch holds the search for any two needles in any memory against the naive one.
func FuzzSearch(f *testing.F) {
	f.Add([]byte("GET /index.html HTTP/1.1"), []byte("index.html HTTP/1.1 200"), []byte("xxGET /index.html HTTP/1.1\x00\x00index.html HTTP/1.1 2"))
	f.Add([]byte("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), []byte("BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB"), []byte("CAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAC"))
	f.Add([]byte("abababababababababababab"), []byte("babababababababab"), []byte("xabababababababababababababababababababababx"))
	f.Add(make([]byte, 40), []byte("0123456789abcdef"), append(make([]byte, 40), "0123456789abcdef"...))
	f.Fuzz(func(t *testing.T, first, second, memory []byte) {
		if len(first)+len(second) > 512 || len(memory) > 2048 {
			return // the naive search is slow
		}
		compare(t, [][]byte{first, second}, memory)
		for _, h := range search([][]byte{first, second}, memory) {
			needle := [][]byte{first, second}[h.Needle]
			if h.Length < MinRun || string(needle[h.Offset:h.Offset+h.Length]) != string(memory[h.Memory:h.Memory+h.Length]) {
				t.Errorf("%v is no hit", h)
			}
		}
	})
}
