package dissect

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// ja4 is the fingerprint of a ClientHello over TCP by FoxIO's specification
// (github.com/FoxIO-LLC/ja4, technical_details/JA4.md): what it offers, counted; its cipher suites and its
// extensions, each sorted and hashed. GREASE counts nowhere.
func (h hello) ja4() string {
	suites, extensions := ungreased(h.suites), ungreased(h.extensions)
	sni := "i"
	if slices.Contains(extensions, extServerName) {
		sni = "d"
	}
	return fmt.Sprintf("t%s%s%02d%02d%s_%s_%s", h.ja4Version(), sni, min(len(suites), 99), min(len(extensions), 99), h.ja4ALPN(),
		ja4Hash(hexList(sorted(suites))), h.ja4Extensions(extensions))
}

// best is the highest version offered: of the extension, where there is one, else the hello's own.
func (h hello) best() int {
	if versions := ungreased(h.versions); len(versions) > 0 {
		return slices.Max(versions)
	}
	return h.version
}

func (h hello) ja4Version() string {
	switch v := h.best(); v {
	case 0x304, 0x303, 0x302, 0x301:
		return fmt.Sprintf("1%d", v-0x301)
	case 0x300:
		return "s3"
	case 2:
		return "s2"
	}
	return "00"
}

// ja4ALPN is the first and the last character of the first protocol; where they are no letters or digits,
// the first and the last digit of it in hexadecimal.
func (h hello) ja4ALPN() string {
	if len(h.alpn) == 0 || h.alpn[0] == "" {
		return "00"
	}
	p := h.alpn[0]
	if !alphanumeric(p[0]) || !alphanumeric(p[len(p)-1]) {
		p = fmt.Sprintf("%x", p)
	}
	return p[:1] + p[len(p)-1:]
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// ja4Extensions hashes the sorted extensions, without the two that depend on where the client goes,
// and the signature algorithms in their own order.
func (h hello) ja4Extensions(extensions []int) string {
	rest := slices.DeleteFunc(sorted(extensions), func(n int) bool { return n == extServerName || n == extALPN })
	list := hexList(rest)
	if algorithms := ungreased(h.algorithms); list != "" && len(algorithms) > 0 {
		list += "_" + hexList(algorithms)
	}
	return ja4Hash(list)
}

func ja4Hash(list string) string {
	if list == "" {
		return "000000000000"
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(list)))[:12]
}

func ungreased(list []int) []int {
	return slices.DeleteFunc(slices.Clone(list), grease)
}

func sorted(list []int) []int {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

func hexList(list []int) string {
	words := make([]string, len(list))
	for i, n := range list {
		words[i] = hex4(n)
	}
	return strings.Join(words, ",")
}
