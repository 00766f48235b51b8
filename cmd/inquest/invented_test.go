package main

import (
	"encoding/binary"
	"fmt"

	"github.com/inquest-project/inquest/internal/evidence/wiretest"
)

// invented is a capture of a protocol that nobody speaks: a magic number, a type, a counter (u32), the length of the name
// that follows (u16), and the name. It is all on two connections to one service. The server answers with the magic
// number, a type and the counter.
func invented() []byte {
	s := wiretest.New()
	for i := range 2 {
		line := s.Dial(fmt.Sprintf("192.0.2.1:%d", 40000+i), "192.0.2.9:7000")
		for n := range 20 {
			counter := 70000 + 300*i + n
			name := fmt.Sprintf("vessel %0*d", 2+n%5, n*n)
			ask := binary.BigEndian.AppendUint32([]byte{0xc5, 0x9e, 1}, uint32(counter))
			ask = binary.BigEndian.AppendUint16(ask, uint16(len(name)))
			line.Say(wiretest.Client, string(ask)+name)
			line.Say(wiretest.Server, string(binary.BigEndian.AppendUint32([]byte{0xc5, 0x9e, 2}, uint32(counter))))
		}
		line.FIN(wiretest.Client)
		line.FIN(wiretest.Server)
	}
	return s.Bytes()
}
