// A server that answers each line by "you said: " and the line, over TLS as its arguments say: address,
// certificate, key, version (772 is 1.3). It holds megabytes of ballast, random ones if there is a sixth argument.
package main

import (
	"bufio"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
	"strings"
)

var ballast []byte

func main() {
	certificate, err := tls.LoadX509KeyPair(os.Args[2], os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	version, _ := strconv.ParseUint(os.Args[4], 10, 16)
	megabytes, _ := strconv.Atoi(os.Args[5])
	fill(megabytes<<20, len(os.Args) > 6)
	var suites []uint16
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		suites = append(suites, s.ID)
	}
	listener, err := tls.Listen("tcp", os.Args[1], &tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: uint16(version), MaxVersion: uint16(version), CipherSuites: suites,
	})
	if err != nil {
		log.Fatal(err)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(conn)
	}
}

// fill makes the ballast: random, or records like those of a cache.
func fill(n int, random bool) {
	ballast = make([]byte, n)
	if random {
		rand.Read(ballast)
		return
	}
	for at, i := 0, 0; at < n; i++ {
		at += copy(ballast[at:], fmt.Sprintf("key=%08d;value=%x;owner=user%d@example.net;ttl=3600\x00\x00\x00\x00", i, i*2654435761, i%977))
	}
}

func serve(conn net.Conn) {
	r := bufio.NewReader(conn)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if strings.HasPrefix(line, "abort") {
			panic(line)
		}
		fmt.Fprintf(conn, "you said: %s", line)
	}
}
