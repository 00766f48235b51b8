package dissect

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"mime/multipart"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// posted is a request with a body of a type.
func posted(contentType, body string) string {
	return fmt.Sprintf("POST / HTTP/1.1\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", contentType, len(body), body)
}

// fieldsUnder are a message's fields below a name, with the bytes that they stand for.
func fieldsUnder(message, prefix string) (list []string) {
	for _, f := range Message([]byte(message), Hint{FromClient: true}).Fields {
		if f.Name == prefix || strings.HasPrefix(f.Name, prefix+".") || strings.HasPrefix(f.Name, prefix+"[") {
			list = append(list, f.Name+" "+message[f.Offset:f.Offset+f.Length])
		}
	}
	return list
}

// randomJSON makes a value, and the fields that must be read in it: path and bytes.
func randomJSON(rng *rand.Rand, path string, deep int) (text string, fields []string) {
	scalar := func(s string) (string, []string) { return s, []string{path + " " + strings.Trim(s, `"`)} }
	space := strings.Repeat(" ", rng.IntN(2))
	switch kind := rng.IntN(6); {
	case kind == 0 || deep > 4:
		return scalar(fmt.Sprint(rng.IntN(1e6)))
	case kind == 1:
		return scalar([]string{"true", "false", "null", "-1.5e3"}[rng.IntN(4)])
	case kind == 2:
		return scalar(fmt.Sprintf(`"word %d\u00e9\n"`, rng.IntN(100)))
	case kind == 3:
		text = "["
		for i := range 1 + rng.IntN(3) {
			element, under := randomJSON(rng, fmt.Sprintf("%s[%d]", path, i), deep+1)
			text += strings.Repeat(",", min(i, 1)) + space + element
			fields = append(fields, under...)
		}
		return text + space + "]", fields
	}
	text = "{"
	for i := range 1 + rng.IntN(3) {
		name := fmt.Sprintf("m%d", i)
		member, under := randomJSON(rng, path+"."+name, deep+1)
		text += strings.Repeat(",", min(i, 1)) + space + `"` + name + `":` + space + member
		fields = append(fields, under...)
	}
	return text + "}", fields
}

func TestJSONReadsAsItWasMade(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		value, want := randomJSON(rng, "json.a", 0)
		text := `{"a":` + value + `}`
		if !json.Valid([]byte(text)) {
			t.Fatalf("the test made no JSON: %s", text)
		}
		if got := fieldsUnder(posted("application/json", text), "json"); !slices.Equal(got, want) {
			t.Fatalf("%s\nread as %q\nmade of %q", text, got, want)
		}
	}
}

func TestJSONThatBreaksOffIsSaid(t *testing.T) {
	for _, body := range []string{`{"a":1,`, `{"a":1}}`, `{"a" 1}`, `[1,2`, `"abc`, `{"a":"\x"}`} {
		d := Message([]byte(posted("application/json", body)), Hint{FromClient: true})
		if !slices.Contains(d.Tags, "malformed") {
			t.Errorf("%s: not malformed", body)
		}
	}
}

// randomProtobuf makes a message, and the fields that must be read in it: path and bytes.
func randomProtobuf(rng *rand.Rand, path string, deep int) (message []byte, fields []string) {
	for number := 1; number < 6; number++ {
		under := fmt.Sprintf("%s.%d", path, number)
		var value []byte
		wire := []int{wireVarint, wireFixed64, wireFixed32, wireBytes, wireBytes}[rng.IntN(5)]
		switch wire {
		case wireVarint:
			value = binary.AppendUvarint(nil, rng.Uint64()>>rng.IntN(64))
		case wireFixed64:
			value = binary.BigEndian.AppendUint64(nil, rng.Uint64())
		case wireFixed32:
			value = binary.BigEndian.AppendUint32(nil, rng.Uint32())
		}
		message = binary.AppendUvarint(message, uint64(number<<3|wire))
		if wire == wireBytes {
			inner := []string(nil)
			if value = []byte(fmt.Sprintf("name of %d", rng.IntN(1000))); rng.IntN(2) == 0 && deep < 3 {
				value, inner = randomProtobuf(rng, under, deep+1)
			}
			message = binary.AppendUvarint(message, uint64(len(value)))
			if inner != nil {
				fields = append(fields, inner...)
				message = append(message, value...)
				continue
			}
		}
		fields = append(fields, under+" "+string(value))
		message = append(message, value...)
	}
	return message, fields
}

func TestProtobufReadsAsItWasMade(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	guessed := 0
	for range 500 {
		message, want := randomProtobuf(rng, "protobuf", 0)
		if got := fieldsUnder(posted("application/x-protobuf", string(message)), "protobuf"); !slices.Equal(got, want) {
			t.Fatalf("%x\nread as %q\nmade of %q", message, got, want)
		}
		if got := fieldsUnder(posted("application/octet-stream", string(message)), "protobuf"); slices.Equal(got, want) {
			guessed++
		}
		framed := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
		if got := fieldsUnder(posted("application/grpc+proto", string(framed)+string(message)), "protobuf"); !slices.Equal(got, want) {
			t.Fatalf("gRPC of %x read as %q", message, got)
		}
	}
	if guessed < 250 {
		t.Errorf("only %d of 500 messages were recognised without being told", guessed)
	}
}

func TestChanceIsNoProtocol(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	found := map[string]int{}
	const times = 200_000
	for range times {
		data := make([]byte, 8+rng.IntN(60))
		small := rng.IntN(2) == 0
		for i := range data {
			if data[i] = byte(rng.Uint32()); small && rng.IntN(2) == 0 {
				data[i] %= 32
			}
		}
		s := &sheet{}
		s.carried(data, 0, 0)
		text := []byte(fmt.Sprintf("%x", data))
		letters := bytes.Map(func(r rune) rune { return 'a' + r%26 }, text)
		s.carried(text, 0, 0)
		s.carried(letters, 0, 0)
		for _, tag := range s.Tags {
			found[tag]++
		}
		if data[0] = []byte{0x81, 0, data[0]}[rng.IntN(3)]; data[0] == 0x81 {
			data[1] = data[1]&0x80 | byte(len(data)-2-4*int(data[1]>>7))
		}
		if p := Message(data, Hint{}).Protocol; p != "text" && p != "binary" {
			found[p]++
		}
	}
	for tag, n := range found {
		if n > times/10_000 {
			t.Errorf("%d of %d random values are %s", n, times, tag)
		}
	}
}

func TestBase64ReadsAsItWasMade(t *testing.T) {
	claims := `{"sub":"mallory","admin":true}`
	binaryKey := "\x00\x01\xfe\xff\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\xe9"
	std, raw := base64.StdEncoding, base64.RawURLEncoding
	for name, c := range map[string]struct {
		message string
		want    map[string]string // field to value
		bytes   map[string]string // field to its bytes
	}{
		"credentials": {"GET / HTTP/1.1\r\nAuthorization: Basic " + std.EncodeToString([]byte("mallory:secret-word")) + "\r\n\r\n",
			map[string]string{"base64": "mallory:secret-word"}, map[string]string{"base64": std.EncodeToString([]byte("mallory:secret-word"))}},
		"a web token": {"GET / HTTP/1.1\r\nAuthorization: Bearer " + raw.EncodeToString([]byte(`{"alg":"none"}  `)) + "." + raw.EncodeToString([]byte(claims)) + ".\r\n\r\n",
			map[string]string{"json.alg": "none", "json.sub": "mallory", "json.admin": "true"},
			map[string]string{"json.sub": raw.EncodeToString([]byte(claims))[8*4/3 : (15*4+2)/3]}},
		"in a cookie": {"GET / HTTP/1.1\r\nCookie: a=b; session=" + std.EncodeToString([]byte("user=mallory")) + "\r\n\r\n",
			map[string]string{"base64": "user=mallory"}, nil},
		"in a parameter": {"GET /?token=" + url.QueryEscape(std.EncodeToString([]byte(binaryKey+"x"))) + " HTTP/1.1\r\n\r\n",
			map[string]string{"base64": fmt.Sprintf("%x", binaryKey+"x")}, nil},
		"in JSON": {posted("application/json", `{"data":"`+std.EncodeToString([]byte(claims))+`"}`),
			map[string]string{"json.sub": "mallory"}, nil},
		"JSON in JSON":   {posted("application/json", `{"data":"{\"inner\":[7]}"}`), map[string]string{"json.inner[0]": "7"}, nil},
		"JSON in a line": {"hello\r\n" + claims + "\r\n", map[string]string{"json.sub": "mallory"}, map[string]string{"json.sub": "mallory"}},
		"JSON in a form": {posted("application/x-www-form-urlencoded", "a=1&claims="+url.QueryEscape(claims)),
			map[string]string{"json.sub": "mallory", "http.form.a": "=1"}, nil},
		"protobuf in a message of no protocol": {"\x00\x00\x00\x0d\x08\x96\x01\x12\x08testword\xb8"[:17], map[string]string{"protobuf.1": "150", "protobuf.2": "testword"},
			map[string]string{"protobuf.2": "testword"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := Message([]byte(c.message), Hint{FromClient: true})
			checkRanges(t, d, len(c.message))
			for path, want := range c.want {
				if got := pathField(t, d, path); strings.TrimPrefix(got, "=") != strings.TrimPrefix(want, "=") {
					t.Errorf("%s is %q, want %q", path, got, want)
				}
			}
			for _, f := range d.Fields {
				if want, asked := c.bytes[f.Name]; asked && c.message[f.Offset:f.Offset+f.Length] != want {
					t.Errorf("%s is at %q, want %q", f.Name, c.message[f.Offset:f.Offset+f.Length], want)
				}
			}
		})
	}
}

func TestMultipartReadsAsGoWritesIt(t *testing.T) {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	w.WriteField("comment", "first line\r\nsecond line")
	file, err := w.CreateFormFile("upload", "a b.json")
	if err != nil {
		t.Fatal(err)
	}
	file.Write([]byte(`{"k":"v"}`))
	w.Close()
	message := posted(w.FormDataContentType(), body.String())
	want := []string{
		`multipart[0].header.content-disposition Content-Disposition: form-data; name="comment"`, "multipart[0].name comment",
		"multipart[0].body first line\r\nsecond line",
		`multipart[1].header.content-disposition Content-Disposition: form-data; name="upload"; filename="a b.json"`,
		"multipart[1].name upload", "multipart[1].filename a b.json",
		"multipart[1].header.content-type Content-Type: application/octet-stream", `multipart[1].body {"k":"v"}`,
	}
	if got := fieldsUnder(message, "multipart"); !slices.Equal(got, want) {
		t.Errorf("read as\n%q\nwant\n%q", got, want)
	}
	if got := fieldsUnder(message, "json"); !slices.Equal(got, []string{"json.k v"}) {
		t.Errorf("JSON in the file: %q", got)
	}
}

func TestDecodedPartsAreWhatAProgramHas(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString([]byte("a long enough secret"))
	for name, c := range map[string]struct {
		messages []said
		want     string
	}{
		"percent-encoded": {[]said{{true, "GET /?q=a%20long+value HTTP/1.1\r\n\r\n"}}, "a long value"},
		"base64":          {[]said{{true, "GET /?q=" + encoded + " HTTP/1.1\r\n\r\n"}}, "a long enough secret"},
		"unmasked":        {[]said{{true, upgradeRequest}, {false, upgradeResponse + "\r\n"}, {true, websocketFrame(0x81, "mask", "a payload")}}, "a payload"},
		"Huffman":         {[]said{everyFrame(t)[0]}, "/upload"},
		"in chunks":       {[]said{{true, "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nin \r\n6\r\nchunks\r\n0\r\n\r\n"}}, "in chunks"},
		"in frames":       {[]said{everyFrame(t)[0]}, "some data and more"},
		"in fragments":    {[]said{{true, upgradeRequest}, {false, upgradeResponse + "\r\n"}, {true, websocketFrame(1, "mask", "in ") + websocketFrame(0x80, "mask", "fragments")}}, "in fragments"},
		"JSON string":     {[]said{{true, `{"a":"tab\tnewline\n"}`}}, "tab\tnewline\n"},
	} {
		var dialogue Dialogue
		var last Dissection
		for _, m := range c.messages {
			last = dialogue.Next([]byte(m.data), Hint{FromClient: m.fromClient})
		}
		if !slices.ContainsFunc(last.Parts, func(p Part) bool { return string(p.Decoded) == c.want }) {
			t.Errorf("%s: no part is %q in %s", name, c.want, last.Summary)
		}
	}
}
