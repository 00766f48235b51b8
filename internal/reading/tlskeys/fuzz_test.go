package tlskeys

import (
	"bytes"
	"testing"

	"github.com/inquest-project/inquest/internal/evidence/capture"
	"github.com/inquest-project/inquest/internal/evidence/elfcore"
	"github.com/inquest-project/inquest/internal/evidence/keylog"
	"github.com/inquest-project/inquest/internal/evidence/wiretest"
	"github.com/inquest-project/inquest/internal/reading/conversation"
)

// FuzzOpen opens whatever two sides say with whatever a key log says, one segment of the client's being lost, and
// looks for secrets in memory that holds the log's.
func FuzzOpen(f *testing.F) {
	for _, config := range protections() {
		said, log := talk(f, config, "first", "second")
		var sides [2][]byte
		for _, s := range said {
			sides[s.from] = append(sides[s.from], s.data...)
		}
		var text bytes.Buffer
		keylog.Write(&text, log)
		f.Add(sides[wiretest.Client], sides[wiretest.Server], text.Bytes(), uint16(0))
		f.Add(sides[wiretest.Client], sides[wiretest.Server], text.Bytes(), uint16(300))
	}
	f.Fuzz(func(t *testing.T, client, server, log []byte, lost uint16) {
		conv := conversationOf(t, client, server, int(lost))
		if conv == nil {
			return
		}
		c, err := Read(conv)
		if err != nil {
			return
		}
		entries, _ := keylog.Parse("log", log)
		secrets := c.Logged(entries)
		o := c.Open(secrets)
		checkMessages(t, c, o)
		opened := 0
		for _, m := range append(o.Messages[0], o.Messages[1]...) {
			opened += len(m.Data)
		}
		if opened > len(client)+len(server) {
			t.Fatalf("%d bytes opened of %d", opened, len(client)+len(server))
		}
		c.Open(Secrets{Secret: bytes.Repeat([]byte{1}, c.suite.size)})
		var memory []byte
		for _, e := range entries[:min(len(entries), 8)] {
			memory = append(append(memory, e.Secret...), make([]byte, 24)...)
		}
		for f := range Find(t.Context(), []elfcore.Stretch{{Start: base, Data: memory}}, []*Connection{c}) {
			c.Entries(f.Secrets)
		}
	})
}

// conversationOf is what both sides say, in segments of 200 bytes, but for one of the client's.
func conversationOf(t testing.TB, client, server []byte, lost int) *conversation.Conversation {
	t.Helper()
	var said []saying
	for len(client)+len(server) > 0 {
		for side, data := range []*[]byte{&client, &server} {
			n := min(200, len(*data))
			if n > 0 {
				said = append(said, saying{0, wiretest.Side(side), (*data)[:n]})
			}
			*data = (*data)[n:]
		}
	}
	f, err := capture.Parse("fuzz", write(said, func(i int) bool { return lost > 0 && i == 2*(lost/200) }))
	if err != nil {
		t.Fatal(err)
	}
	if all := conversation.Assemble(f).Conversations; len(all) > 0 {
		return all[0]
	}
	return nil
}
