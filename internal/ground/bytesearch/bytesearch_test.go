package bytesearch

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// naive is the oracle: every maximal common stretch, by comparing each diagonal byte for byte, but for
// those of equal bytes alone, which the package treats in a way of their own.
func naive(needles [][]byte, memory []byte) []Hit {
	var hits []Hit
	for i, needle := range needles {
		for delta := -len(needle) + 1; delta < len(memory); delta++ {
			length := 0
			for j := max(0, -delta); j <= len(needle); j++ {
				if j < len(needle) && delta+j < len(memory) && needle[j] == memory[delta+j] {
					length++
					continue
				}
				if h := (Hit{i, j - length, delta + j - length, length}); length >= MinRun && !probesUniform(memory, h) {
					hits = append(hits, h)
				}
				length = 0
				if delta+j >= len(memory) {
					break
				}
			}
		}
	}
	return hits
}

// compare holds a search against the oracle: it finds nothing else, and each of the oracle's hits or others
// of the same needle in which all its words lie.
func compare(t *testing.T, needles [][]byte, memory []byte) {
	t.Helper()
	found, want := varied(memory, search(needles, memory)), naive(needles, memory)
	for _, h := range found {
		if !slices.Contains(want, h) {
			t.Errorf("found %v, which a naive search doesn't find", h)
		}
	}
	for _, h := range want {
		for off := (h.Memory + 7) &^ 7; off+8 <= h.Memory+h.Length; off += 8 {
			word := Hit{h.Needle, 0, off, 8}
			if !probesUniform(memory, word) && !slices.ContainsFunc(found, func(f Hit) bool { return holds(f, word) }) {
				t.Errorf("a naive search finds %v; nothing found holds its word at %d", h, off)
			}
		}
	}
}

func holds(f, word Hit) bool {
	return f.Needle == word.Needle && f.Memory <= word.Memory && f.Memory+f.Length >= word.Memory+word.Length
}

// probesUniform says whether every word that Search would probe inside the hit is uniform.
func probesUniform(memory []byte, h Hit) bool {
	for off := (h.Memory + 7) &^ 7; off+8 <= h.Memory+h.Length; off += 8 {
		if !bytes.Equal(memory[off:off+8], bytes.Repeat(memory[off:off+1], 8)) {
			return false
		}
	}
	return true
}

func search(needles [][]byte, memory []byte) []Hit {
	return New(needles).All(memory)
}

// varied drops the hits of equal bytes alone.
func varied(memory []byte, hits []Hit) []Hit {
	return slices.DeleteFunc(hits, func(h Hit) bool { return probesUniform(memory, h) })
}

func TestFindsWhatANaiveSearchFindsAtEveryAlignment(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		// A small alphabet makes long accidental and overlapping stretches.
		alphabet := 2 + rng.IntN(40)
		memory := make([]byte, 3000)
		for i := range memory {
			memory[i] = byte(rng.IntN(alphabet))
		}
		var needles [][]byte
		for range 12 {
			needle := make([]byte, 10+rng.IntN(90))
			for i := range needle {
				needle[i] = byte(rng.IntN(alphabet))
			}
			needles = append(needles, needle)
			at := rng.IntN(len(memory) - len(needle))
			from := rng.IntN(len(needle))
			copy(memory[at:], needle[from:])
		}
		compare(t, needles, memory)
	}
}

// The test's own heap is as real as any: strings that this process holds must be found in it.
func TestFindsWhatANaiveSearchFindsInARealProcessImage(t *testing.T) {
	exe, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		exe = unsafe.Slice((*byte)(unsafe.Pointer(t)), 64) // no /proc: what memory there is
	}
	memory := exe[:min(len(exe), 150_000)]
	var needles [][]byte
	for i := range 20 {
		at := (i*7919 + 13) % max(1, len(memory)-200)
		needles = append(needles, memory[at:min(at+20+i*7, len(memory))])
	}
	compare(t, needles, memory)
}

// A needle and a memory of the same few bytes over and over have a common stretch at every period.
func TestRepetitionIsNotQuadratic(t *testing.T) {
	long, short := []byte(strings.Repeat(`{"a":`, 12000)), []byte(strings.Repeat(`{"a":`, 600))
	memory := bytes.Repeat([]byte(strings.Repeat(`{"a":`, 3000)+"1}"), 20)
	start := time.Now()
	hits := search([][]byte{long, short}, memory)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	whole := 0
	for _, h := range hits {
		if h.Needle == 0 && h.Length >= 14990 {
			whole++
		}
	}
	if whole != 20 {
		t.Errorf("expected the 20 stretches of the long needle, found %d", whole)
	}
}

func TestWhatManyShareIsLeftOutAndWhatTellsThemApartIsNot(t *testing.T) {
	const shared = "GET /status HTTP/1.1 Host: www.example.net "
	var needles [][]byte
	for i := range 20 {
		needles = append(needles, fmt.Appendf(nil, "%s id=%08d more", shared, i*7919))
	}
	memory := append([]byte("....."+shared+"........"), needles[11]...)
	hits := NewRare(needles, 5).All(memory)
	if len(hits) != 1 || hits[0].Needle != 11 || hits[0].Length != len(needles[11]) {
		t.Errorf("found %v", hits)
	}
	if all := New(needles).All(memory); len(all) < 40 {
		t.Errorf("the whole index finds %d", len(all))
	}
}

// What is rare in a message may be shorter than the distance between probes.
func TestARareIndexFindsEveryWholeNeedleAtEveryAlignment(t *testing.T) {
	var needles [][]byte
	for i := range 100 {
		needles = append(needles, fmt.Appendf(nil, "*2 $5 DEBUG $8 %c%02d SLEEP", 'a'+i%26, i))
	}
	for i, needle := range needles {
		for shift := range 8 {
			memory := append(bytes.Repeat([]byte{'.'}, 64+shift), needle...)
			hits := NewRare(needles, 5).All(append(memory, "........"...))
			if !slices.Contains(hits, Hit{Needle: i, Memory: 64 + shift, Length: len(needle)}) {
				t.Fatalf("%q at %d: found %v", needle, 64+shift, hits)
			}
		}
	}
}

func TestWhatWasReachedInOneMemoryIsNotInTheNext(t *testing.T) {
	needle := []byte("of one memory and of the next")
	index := New([][]byte{needle})
	for i, memory := range []string{"....%s........", "%s", "........%s....................", "............%s"} {
		memory := fmt.Appendf(nil, memory, needle)
		want := []Hit{{Memory: bytes.Index(memory, needle), Length: len(needle)}}
		if got := index.All(memory); !slices.Equal(got, want) {
			t.Errorf("memory %d: found %v, expected %v", i, got, want)
		}
	}
}

func TestUniformStretchIsFoundOnceAndZerosNever(t *testing.T) {
	memory := make([]byte, 4096)
	copy(memory[1003:], bytes.Repeat([]byte{'A'}, 500))
	needles := [][]byte{[]byte("GET /" + strings.Repeat("A", 600)), make([]byte, 600)}
	hits := search(needles, memory)
	if len(hits) != 1 || hits[0] != (Hit{Needle: 0, Offset: 5, Memory: 1003, Length: 500}) {
		t.Fatalf("got %v", hits)
	}
}

func BenchmarkSearchAGigabyte(b *testing.B) {
	rng := rand.New(rand.NewPCG(3, 4))
	memory := make([]byte, 1<<28)
	for i := 0; i < len(memory); i += 1 + rng.IntN(16) {
		memory[i] = byte(rng.Uint32())
	}
	var needles [][]byte
	for range 2000 {
		needle := make([]byte, 300)
		for i := range needle {
			needle[i] = byte(rng.Uint32())
		}
		needles = append(needles, needle)
	}
	ix := New(needles)
	b.SetBytes(int64(len(memory)))
	var took time.Duration
	for b.Loop() {
		start := time.Now()
		for range ix.Search(memory) {
		}
		took += time.Since(start)
	}
	start := time.Now()
	bytes.Count(memory, []byte{0x7f}) // about as fast as memory can be read
	b.ReportMetric(float64(took)/float64(b.N)/float64(time.Since(start)), "of-reading-it")
}
