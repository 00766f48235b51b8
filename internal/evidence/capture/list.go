package capture

import (
	"bytes"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/inquest-project/inquest/internal/ground/cursor"
)

// A packet list is what Wireshark's list pane or tshark print, as somebody pasted it: number, time,
// source, destination, protocol, length, info. Lines are often wrapped by the mail or page that carried
// them: a line that doesn't begin with a number and a time continues the row before it. Names may
// stand for addresses and for ports.

const listTime = `(?:\d{4}-\d\d-\d\d[ T])?\d\d:\d\d:\d\d(?:[.,]\d+)?Z?|\d+\.\d+`

var (
	rowStart = regexp.MustCompile(`^\s*\d+\s+(?:` + listTime + `)\s`)
	row      = regexp.MustCompile(`^\s*(\d+)\s+(` + listTime + `)\s+(\S+)\s+(?:(?:→|->)\s+)?(\S+)\s+(\S+)\s+(\d+)\s*(.*)$`)

	// tcpInfo is "38409 > https [RST, ACK]", also behind remarks like "[TCP Retransmission]".
	tcpInfo = regexp.MustCompile(`(?:^|\] ?)([\w.-]+) (?:>|→|->) ([\w.-]+) \[([A-Z, ]+)\]`)
	udpInfo = regexp.MustCompile(`^([\w.-]+) (?:>|→|->) ([\w.-]+) Len=`)
	// numberInfo finds the values that Wireshark appends to TCP and UDP rows.
	numberInfo = regexp.MustCompile(`\b(Seq|Ack|Win|Len)=(\d+)`)
)

// SniffList says whether a file that begins with head (a few hundred bytes) is a packet list: whether one
// of its first lines begins as a row does.
func SniffList(head []byte) bool {
	for line := range bytes.Lines(head[:min(len(head), 4096)]) {
		if rowStart.Match(plainSpaces(line)) {
			return true
		}
	}
	return false
}

// plainSpaces turns the no-break spaces of web pages into plain ones.
func plainSpaces(line []byte) []byte {
	return bytes.ReplaceAll(line, []byte("\u00a0"), []byte(" "))
}

// parseList reads all rows and then concludes, from the rows around it, what a row leaves out.
func parseList(name string, data []byte) ([]Packet, []cursor.Damage) {
	var packets []Packet
	var damage []cursor.Damage
	for _, r := range joinRows(data) {
		text := strings.Join(r.lines, " ")
		if p, ok := parseRow(text); ok {
			packets = append(packets, p)
		} else {
			damage = append(damage, cursor.Damage{Part: name, Offset: r.offset,
				Problem: "expected number, time, source, destination, protocol and length, found " + strconv.Quote(clip(text))})
		}
	}
	inferFlows(packets)
	return packets, damage
}

type joinedRow struct {
	lines  []string
	offset int64 // of its first line
}

// joinRows undoes the wrapping of lines. What stands before the first row, such as a heading, is no row.
func joinRows(data []byte) []joinedRow {
	var rows []joinedRow
	offset := int64(0)
	for raw := range bytes.Lines(data) {
		line := plainSpaces(raw)
		text := string(bytes.TrimSpace(line))
		switch {
		case rowStart.Match(line):
			rows = append(rows, joinedRow{[]string{text}, offset})
		case len(rows) > 0 && text != "":
			last := &rows[len(rows)-1]
			last.lines = append(last.lines, text)
		}
		offset += int64(len(raw))
	}
	return rows
}

// parseRow reads one whole row.
func parseRow(text string) (Packet, bool) {
	m := row.FindStringSubmatch(text)
	if m == nil {
		return Packet{}, false
	}
	frame, err := strconv.Atoi(m[1])
	stamp, relative, ok := parseStamp(m[2])
	length, err2 := strconv.Atoi(m[6])
	if err != nil || err2 != nil || !ok {
		return Packet{}, false
	}
	p := Packet{Frame: frame, Time: stamp, Protocol: listProtocol(m[5])}
	p.Listed = &ListedInfo{Source: m[3], Destination: m[4], Protocol: m[5], Length: length, Info: m[7], Relative: relative}
	p.Src, p.Dst = address(m[3]), address(m[4])
	p.readInfo(m[7])
	return p, true
}

// address is an endpoint's address where the list gives one and no name; its port comes later.
func address(name string) netip.AddrPort {
	addr, _ := netip.ParseAddr(name)
	return netip.AddrPortFrom(addr, 0)
}

// parseStamp reads the forms that Wireshark's time column can have. A time without a date is relative.
func parseStamp(s string) (t time.Time, relative, ok bool) {
	s = strings.TrimSuffix(strings.Replace(strings.Replace(s, ",", ".", 1), "T", " ", 1), "Z")
	for _, layout := range []string{time.DateTime, time.TimeOnly} {
		t, err := time.Parse(layout, s) // accepts a fraction of a second, too
		if err != nil {
			continue
		}
		if layout == time.TimeOnly {
			return t.AddDate(1970, 0, 0), true, true
		}
		return t, false, true
	}
	whole, fraction, _ := strings.Cut(s, ".")
	seconds, err := strconv.ParseInt(whole, 10, 33)
	nanos, err2 := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	const epoch = 1e8 // more seconds than any capture lasts: it counts from 1970
	return timeOf(seconds*1e9 + nanos), seconds < epoch, err == nil && err2 == nil
}

// readInfo takes ports, flags and numbers from the info column, where it is a TCP or UDP row's.
func (p *Packet) readInfo(info string) {
	if m := tcpInfo.FindStringSubmatch(info); m != nil {
		p.Protocol = TCP
		p.setPorts(servicePort(m[1]), servicePort(m[2]))
		for i, name := range flagNames {
			if strings.Contains(m[3], name) {
				p.Flags |= 1 << i
			}
		}
	} else if m := udpInfo.FindStringSubmatch(info); m != nil {
		p.Protocol = UDP
		p.setPorts(servicePort(m[1]), servicePort(m[2]))
	} else {
		p.Listed.Inferred = true
		return
	}
	for _, m := range numberInfo.FindAllStringSubmatch(info, -1) {
		n, _ := strconv.ParseUint(m[2], 10, 32)
		switch m[1] {
		case "Seq":
			p.Seq = uint32(n)
		case "Ack":
			p.Ack = uint32(n)
		case "Win":
			p.Window = uint16(min(n, 0xffff))
		case "Len":
			p.Length = int(min(n, maxFrame))
		}
	}
}

func (p *Packet) setPorts(src, dst uint16) {
	p.Src = netip.AddrPortFrom(p.Src.Addr(), src)
	p.Dst = netip.AddrPortFrom(p.Dst.Addr(), dst)
}

// listProtocol tells the transport below the protocol that a list names; most run over TCP.
func listProtocol(name string) uint8 {
	switch strings.ToUpper(name) {
	case "UDP", "DNS", "MDNS", "LLMNR", "NTP", "SNMP", "DHCP", "DHCPV6", "QUIC", "SIP", "RADIUS", "TFTP", "SYSLOG", "STUN", "RTP", "DTLS", "COAP", "ISAKMP":
		return UDP
	case "ICMP":
		return ICMP4
	case "ICMPV6":
		return ICMP6
	case "ARP", "STP", "LLDP", "IGMP", "IGMPV2", "IGMPV3", "LLC", "LOOP":
		return 0
	}
	return TCP
}

// services are the names that packet lists show for the usual ports (IANA); others stay unknown.
var services = map[string]uint16{
	"ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "domain": 53, "http": 80, "kerberos": 88, "pop3": 110,
	"sunrpc": 111, "nntp": 119, "ntp": 123, "imap": 143, "imap2": 143, "snmp": 161, "bgp": 179, "ldap": 389,
	"https": 443, "microsoft-ds": 445, "submissions": 465, "syslog": 514, "submission": 587, "ldaps": 636,
	"domain-s": 853, "rsync": 873, "imaps": 993, "pop3s": 995, "ms-sql-s": 1433, "mqtt": 1883, "nfs": 2049,
	"mysql": 3306, "sip": 5060, "sips": 5061, "xmpp-client": 5222, "postgresql": 5432, "amqp": 5672,
	"redis": 6379, "http-alt": 8080, "https-alt": 8443, "secure-mqtt": 8883, "memcache": 11211, "mongodb": 27017,
}

func servicePort(name string) uint16 {
	if port, err := strconv.ParseUint(name, 10, 16); err == nil {
		return uint16(port)
	}
	return services[strings.ToLower(name)]
}

// clip shortens what an error message quotes.
func clip(s string) string { return s[:min(len(s), 60)] }
