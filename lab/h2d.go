package lab

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http2/hpack"
)

// h2d's requests hold their headers where HPACK's table has them. That was right as long as a request was
// answered with its headers; now there are bodies, and while one comes, another stream's headers may let go what
// the first one's are held in: a change of the table's size does, as of a proxy that saves memory. When
// the upload's trailers end it, its headers are looked at again.
var h2d = Case{
	Name:      "h2d",
	Listen:    netip.MustParseAddrPort("127.0.0.1:8082"),
	Command:   func(s *Stage) []string { return []string{s.Home + "/sbin/h2d", "8082"} },
	Script:    scriptH2D,
	Culprit:   Culprit{Module: "libhpack.so", Function: "fields_find", Role: "victim", Origin: "table_evict"},
	Mechanism: "fault_read",
}

func scriptH2D(s *Stage) []Conversation {
	r := s.Rand
	death := between(r, 2200*time.Millisecond, 2600*time.Millisecond)
	script := []Conversation{
		{Killer, loopback(2000 + r.IntN(50)), death - 50*time.Millisecond, h2Upload(subrand(r), 0)},
		{Twin, loopback(2100 + r.IntN(50)), between(r, death/4, death*3/4), h2Upload(subrand(r), 2048)},
	}
	for range 380 {
		at := between(r, 0, death+100*time.Millisecond)
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(60)), at, h2Visit(subrand(r))})
	}
	for i, talk := range h2Oddities(subrand(r)) {
		at := between(r, death/10, death-50*time.Millisecond)
		script = append(script, Conversation{Odd, loopback(1000 + i), at, talk})
	}
	for i, talk := range h2Waiting(subrand(r)) {
		at := between(r, death/4, death-200*time.Millisecond)
		script = append(script, Conversation{Waiting, loopback(1100 + i), at, talk})
	}
	return script
}

// h2Upload sends an object and its sum as a trailer; meanwhile, another request on the same connection
// changes the table's size.
func h2Upload(r *rand.Rand, table uint32) func(*Talk) {
	return func(t *Talk) {
		c := h2Open(t, r)
		c.await(c.request(false, "GET", "/"))
		body := random(r, 300+r.IntN(900))
		headers := c.headers(c.next(), 0, c.fields("POST", h2Object(r))...)
		upload := c.id
		c.part(headers)
		c.Send(h2Frame(h2Data, 0, upload, body[:len(body)/2]))
		c.Pause(time.Duration(3+r.IntN(12)) * time.Millisecond)
		c.encoder.SetMaxDynamicTableSize(table)
		other := c.headers(c.next(), h2EndStream, c.fields("GET", h2Object(r))...)
		c.part(other)
		c.await(c.id)
		c.Send(h2Frame(h2Data, 0, upload, body[len(body)/2:]))
		c.Pause(time.Duration(3+r.IntN(12)) * time.Millisecond)
		c.Remember(c.headers(upload, h2EndStream, hpack.HeaderField{Name: "x-sum", Value: fmt.Sprintf("%08x", h2Sum(body))}))
		c.await(upload)
	}
}

// part sends an earlier part of the killer's set; the twin's is no part of any.
func (c *h2) part(b []byte) {
	if c.Role == Killer {
		c.Earlier(b)
	} else {
		c.Send(b)
	}
}

// h2 is a client's end of a connection.
type h2 struct {
	*Talk
	r       *rand.Rand
	host    string
	agent   string
	encoder *hpack.Encoder
	block   bytes.Buffer
	id      uint32 // of the newest stream
	rest    []byte // of what was read
}

// The frames, and their flags.
const (
	h2Data, h2Headers, h2Priority, h2Reset, h2Settings, h2Promise, h2Ping, h2Goaway, h2Window, h2Continuation = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9

	h2EndStream, h2EndHeaders, h2Padded = 0x1, 0x4, 0x8
)

const h2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

func h2Frame(kind, flags byte, stream uint32, body []byte) []byte {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(body))<<8|uint32(kind))
	return join(binary.BigEndian.AppendUint32(append(head, flags), stream), body)
}

// h2Open sends what a connection begins with.
func h2Open(t *Talk, r *rand.Rand) *h2 {
	agents := []string{"curl/8.5.0", "nghttp2/1.52.0", "object-sync/2.1", "Go-http-client/2.0"}
	c := &h2{Talk: t, r: r, host: "objects.example.net", agent: agents[r.IntN(4)], id: ^uint32(0)}
	c.encoder = hpack.NewEncoder(&c.block)
	settings := [][]byte{nil, {0, 2, 0, 0, 0, 0}, {0, 3, 0, 0, 0, 100, 0, 4, 0, 1, 0, 0}}[r.IntN(3)]
	t.Send(join([]byte(h2Preface), h2Frame(h2Settings, 0, 0, settings), h2Frame(h2Window, 0, 0, []byte{0, 15, 0, 1})))
	return c
}

// next opens a stream.
func (c *h2) next() uint32 {
	c.id += 2
	return c.id
}

// fields are a request's headers.
func (c *h2) fields(method, path string) []hpack.HeaderField {
	fields := []hpack.HeaderField{
		{Name: ":method", Value: method}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: path}, {Name: ":authority", Value: c.host},
		{Name: "user-agent", Value: c.agent},
	}
	if c.r.IntN(3) > 0 {
		fields = append(fields, hpack.HeaderField{Name: "accept", Value: []string{"*/*", "text/plain"}[c.r.IntN(2)]})
	}
	if c.r.IntN(3) == 0 {
		fields = append(fields, hpack.HeaderField{Name: "x-request-id", Value: fmt.Sprintf("%x", random(c.r, 8))})
	}
	if c.r.IntN(4) == 0 {
		fields = append(fields, hpack.HeaderField{Name: "authorization", Value: fmt.Sprintf("Bearer %x", random(c.r, 16)), Sensitive: true})
	}
	if method == "POST" {
		fields = append(fields, hpack.HeaderField{Name: "content-type", Value: []string{"application/octet-stream", "text/plain"}[c.r.IntN(2)]})
	}
	return fields
}

// headers makes a header block, in one frame.
func (c *h2) headers(stream uint32, flags byte, fields ...hpack.HeaderField) []byte {
	return h2Frame(h2Headers, flags|h2EndHeaders, stream, c.encode(fields...))
}

func (c *h2) encode(fields ...hpack.HeaderField) []byte {
	c.block.Reset()
	for _, f := range fields {
		c.encoder.WriteField(f)
	}
	return bytes.Clone(c.block.Bytes())
}

// request asks for something on a new stream. A poor client's headers come in more than one frame.
func (c *h2) request(poor bool, method, path string) uint32 {
	block := c.encode(c.fields(method, path)...)
	c.next()
	if poor {
		cut := 1 + c.r.IntN(len(block)-1)
		c.Send(h2Frame(h2Headers, h2EndStream, c.id, block[:cut]))
		c.Pause(time.Duration(c.r.IntN(20)) * time.Millisecond)
		c.Send(h2Frame(h2Continuation, h2EndHeaders, c.id, block[cut:]))
	} else {
		c.Send(h2Frame(h2Headers, h2EndStream|h2EndHeaders, c.id, block))
	}
	return c.id
}

// await reads until all of these streams are answered.
func (c *h2) await(streams ...uint32) {
	for len(streams) > 0 && c.err == nil {
		if len(c.rest) < 9 || len(c.rest) < 9+int(binary.BigEndian.Uint32(c.rest)>>8) {
			c.rest = append(c.rest, c.Read(func(b []byte) bool { return len(b) > 0 })...)
			continue
		}
		kind, flags, stream := c.rest[3], c.rest[4], binary.BigEndian.Uint32(c.rest[5:])
		c.rest = c.rest[9+binary.BigEndian.Uint32(c.rest)>>8:]
		if kind <= h2Headers && flags&h2EndStream != 0 {
			streams = slices.DeleteFunc(streams, func(s uint32) bool { return s == stream })
		}
	}
}

func h2Sum(body []byte) (sum uint32) {
	for _, b := range body {
		sum = sum*31 + uint32(b)
	}
	return sum
}

func h2Object(r *rand.Rand) string {
	return fmt.Sprintf("/object/%s-%d", []string{"backup", "photo", "log", "mail", "index"}[r.IntN(5)], r.IntN(400))
}

func h2Path(r *rand.Rand) string {
	return []string{"/", "/stats", h2Object(r), h2Object(r), h2Object(r), "/favicon.ico"}[r.IntN(6)]
}

// h2Visit asks and brings, one after the other or side by side.
func h2Visit(r *rand.Rand) func(*Talk) {
	return func(t *Talk) {
		c := h2Open(t, r)
		if r.IntN(5) == 0 { // it wants no table, or a smaller one
			c.encoder.SetMaxDynamicTableSize([]uint32{0, 3072}[r.IntN(2)])
		}
		for range 1 + r.IntN(4) {
			switch r.IntN(9) {
			case 0:
				c.Send(h2Frame(h2Ping, 0, 0, random(r, 8)))
				c.await(c.request(false, "GET", h2Path(r)))
			case 1, 2:
				c.await(c.request(false, "GET", h2Path(r)), c.request(false, "GET", h2Path(r)), c.request(false, "GET", h2Path(r)))
			case 3, 4:
				h2Bring(c)
			case 5: // its proxy starts anew, while nothing is on its way
				c.encoder.SetMaxDynamicTableSize([]uint32{0, 4096}[r.IntN(2)])
				c.await(c.request(false, "GET", h2Path(r)))
			default:
				c.await(c.request(r.IntN(6) == 0, "GET", h2Path(r)))
			}
			c.Pause(time.Duration(r.IntN(35)) * time.Millisecond)
		}
		if r.IntN(3) == 0 {
			c.Send(h2Frame(h2Goaway, 0, 0, make([]byte, 8)))
		}
	}
}

// h2Bring sends an object in some pieces, between which it may ask for something.
func h2Bring(c *h2) {
	body := random(c.r, 20+c.r.IntN(3000))
	c.Send(c.headers(c.next(), 0, c.fields("POST", h2Object(c.r))...))
	upload := c.id
	trailer := c.r.IntN(2) == 0
	for piece := range slices.Chunk(body, 1+len(body)/(1+c.r.IntN(3))) {
		c.Send(h2Frame(h2Data, 0, upload, piece))
		if c.r.IntN(3) == 0 {
			c.await(c.request(false, "GET", h2Path(c.r)))
		}
		c.Pause(time.Duration(c.r.IntN(12)) * time.Millisecond)
	}
	if trailer {
		c.Send(c.headers(upload, h2EndStream, hpack.HeaderField{Name: "x-sum", Value: fmt.Sprintf("%08x", h2Sum(body))}))
	} else {
		c.Send(h2Frame(h2Data, h2EndStream, upload, nil))
	}
	c.await(upload)
}

// h2Oddities are longer, rarer or stranger than the killer; some change the table under an upload, too.
func h2Oddities(r *rand.Rand) []func(*Talk) {
	raw := func(b []byte) func(*Talk) {
		return func(t *Talk) {
			t.Message(b)
			t.Outlast()
		}
	}
	// odd opens a connection, asks once and then does something.
	odd := func(what func(*h2)) func(*Talk) {
		r := subrand(r)
		return func(t *Talk) {
			c := h2Open(t, r)
			c.await(c.request(false, "GET", "/"))
			what(c)
		}
	}
	frame := func(kind, flags byte, stream uint32, body []byte) func(*Talk) {
		return odd(func(c *h2) {
			c.Remember(h2Frame(kind, flags, stream, body))
			c.await(c.request(false, "GET", "/stats"))
		})
	}
	long := func(name string, size int) func(*Talk) {
		return odd(func(c *h2) {
			c.Remember(c.headers(c.next(), h2EndStream, append(c.fields("GET", "/stats"), hpack.HeaderField{Name: name, Value: strings.Repeat("a=b; ", size/5)})...))
			c.await(c.id)
		})
	}
	return []func(*Talk){
		raw([]byte("GET / HTTP/1.1\r\nHost: objects.example.net\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n")),
		raw(join([]byte(h2Preface), random(r, 200))),
		raw([]byte("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")),
		frame(h2Settings, 0, 0, bytes.Repeat([]byte{0, 3, 0, 0, 0, 100}, 200)),
		frame(h2Promise, h2EndHeaders, 1, []byte{0, 0, 0, 2, 0x82}),
		frame(h2Headers, h2EndHeaders|h2EndStream, 3, []byte{0xff, 0xff, 0xff, 0x7f}), // there is no such entry
		frame(h2Headers, h2EndHeaders|h2EndStream, 3, []byte{0x82, 0xfe, 0xfd}),       // nor such
		frame(h2Headers, h2EndHeaders|h2EndStream, 3, []byte{0x3f, 0xff, 0xff, 0x03}), // a table too large
		frame(h2Headers, h2EndHeaders|h2EndStream, 4, []byte{0x82}),
		frame(h2Data, h2EndStream, 99, random(r, 40)),
		frame(h2Ping, 0, 0, random(r, 7)),
		frame(0x42, 0xff, 77, random(r, 1500)),
		frame(h2Priority, 0, 3, []byte{0x80, 0, 0, 0, 255}),
		frame(h2Window, 0, 0, []byte{0x7f, 0xff, 0xff, 0xff}),
		long("cookie", 3000), long("x-forwarded-for", 6000),
		odd(func(c *h2) { // in a frame for every byte
			var all []byte
			block := c.encode(c.fields("GET", h2Object(c.r))...)
			c.next()
			for i, b := range block {
				kind, flags := byte(h2Continuation), byte(0)
				if i == 0 {
					kind, flags = h2Headers, h2EndStream
				}
				if i == len(block)-1 {
					flags |= h2EndHeaders
				}
				all = append(all, h2Frame(kind, flags, c.id, []byte{b})...)
			}
			c.Remember(all)
			c.await(c.id)
		}),
		odd(func(c *h2) { // mostly padding
			block := c.encode(c.fields("GET", "/stats")...)
			c.Remember(h2Frame(h2Headers, h2EndStream|h2EndHeaders|h2Padded, c.next(), join([]byte{255}, block, make([]byte, 255))))
			c.await(c.id)
		}),
		odd(func(c *h2) { // a long upload
			c.Send(c.headers(c.next(), 0, c.fields("POST", "/object/video-1")...))
			for range 3 {
				c.Send(h2Frame(h2Data, 0, c.id, random(c.r, 14000)))
			}
			c.Remember(h2Frame(h2Data, h2EndStream, c.id, random(c.r, 9000)))
			c.await(c.id)
		}),
		odd(func(c *h2) { // an upload that the table never held: it may shrink
			fields := c.fields("POST", h2Object(c.r))
			for i := range fields {
				fields[i].Sensitive = true
			}
			c.Send(c.headers(c.next(), 0, fields...))
			upload := c.id
			c.encoder.SetMaxDynamicTableSize(0)
			c.await(c.request(false, "GET", h2Object(c.r)))
			c.Remember(c.headers(upload, h2EndStream, hpack.HeaderField{Name: "x-sum", Value: "00000000"}))
			c.await(upload)
		}),
		odd(func(c *h2) { // an upload that is given up before the table shrinks
			c.Send(c.headers(c.next(), 0, c.fields("POST", h2Object(c.r))...))
			c.Send(h2Frame(h2Reset, 0, c.id, []byte{0, 0, 0, 8}))
			c.encoder.SetMaxDynamicTableSize(0)
			c.Remember(c.headers(c.next(), h2EndStream, c.fields("GET", h2Object(c.r))...))
			c.await(c.id)
		}),
		odd(func(c *h2) { // a wrong sum
			c.Send(c.headers(c.next(), 0, c.fields("POST", h2Object(c.r))...))
			c.Send(h2Frame(h2Data, 0, c.id, random(c.r, 700)))
			c.Remember(c.headers(c.id, h2EndStream, hpack.HeaderField{Name: "x-sum", Value: "deadbeef"}))
			c.await(c.id)
		}),
	}
}

// h2Waiting gets no answer: an object that never comes, headers or an upload that have no end.
func h2Waiting(r *rand.Rand) []func(*Talk) {
	wait := func(what func(*h2) []byte) func(*Talk) {
		r := subrand(r)
		return func(t *Talk) {
			c := h2Open(t, r)
			c.await(c.request(false, "GET", h2Path(r)))
			c.Remember(what(c))
			c.Outlast()
		}
	}
	var talks []func(*Talk)
	for range 4 {
		talks = append(talks,
			wait(func(c *h2) []byte {
				return c.headers(c.next(), h2EndStream, c.fields("GET", fmt.Sprintf("/wait/nightly-%d", c.r.IntN(1000)))...)
			}),
			wait(func(c *h2) []byte { return c.headers(c.next(), 0, c.fields("POST", h2Object(c.r))...) }),
			wait(func(c *h2) []byte {
				block := c.encode(c.fields("GET", h2Object(c.r))...)
				return h2Frame(h2Headers, h2EndStream, c.next(), block[:1+len(block)/2])
			}))
	}
	return talks
}
