package dissect

import "strings"

// Wire forms are written by hand from the specifications that layers.go names.
const (
	radiusAccess  = "\x01\x2a\x00\x2b" + "0123456789abcdef" + "\x01\x05ann" + "\x02\x12ENCRYPTED-PASSWD"
	dhcpFixed     = "\x01\x01\x06\x00\xde\xad\xbe\xef\x00\x00\x80\x00"
	sipInvite     = "INVITE sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP pc.example.org;branch=z9hG4bK776\r\nCall-ID: a84b4c76e66710\r\nCSeq: 314159 INVITE\r\nContent-Length: 4\r\n\r\nv=0\n"
	sipAnswer     = "SIP/2.0 200 OK\r\nl: 4\r\n\r\nv=0\n"
	diameterHello = "\x01\x00\x00\x30\x80\x00\x01\x01\x00\x00\x00\x00\x11\x22\x33\x44\x55\x66\x77\x88" +
		"\x00\x00\x01\x08\x40\x00\x00\x1bclient.example.org1\x00"
	modbusRead = "\x00\x07\x00\x00\x00\x06\x11\x03\x00\x6b\x00\x03"
)

var (
	dhcpDiscover = dhcpFixed + strings.Repeat("\x00", 16) + "\x02\x00\x5e\x10\x00\x01" + strings.Repeat("\x00", 10+64+128) +
		"\x63\x82\x53\x63" + "\x35\x01\x01" + "\x0c\x04host" + "\xff"
	ntpRequest = "\x23\x02\x06\xec" + strings.Repeat("\x00", 44)
	udpClient  = Hint{Transport: "udp", Port: 40001, FromClient: true}
)

var layeredExamples = []example{
	{"access request", radiusAccess, udpClient, "RADIUS", map[string]string{"radius.code": "Access-Request", "radius.attributes[0].type": "User-Name",
		"radius.attributes[0].value": "ann"}, []string{"radius", "access-request", "request"}, nil},
	{"answer", "\x02" + radiusAccess[1:], Hint{Transport: "udp", Port: 1812}, "RADIUS", map[string]string{"radius.code": "Access-Accept"}, nil, []string{"request"}},
	{"attribute that lies", "\x01\x2a\x00\x1a0123456789abcdef\x01\x09ann\x00", udpClient, "binary", nil, nil, nil},
	{"discover", dhcpDiscover, udpClient, "DHCP", map[string]string{"dhcpv4.xid": "3735928559", "dhcpv4.client_hwaddr": "02:00:5e:10:00:01", "dhcpv4.options[1].data": "host"},
		[]string{"dhcp", "discover"}, nil},
	{"client", ntpRequest, onPort(udpClient, 123), "NTP", map[string]string{"ntp.version": "4", "ntp.stratum": "2"}, []string{"ntp"}, nil},
	{"client on any port", ntpRequest, udpClient, "binary", nil, nil, nil},
	{"invite", sipInvite, udpClient, "SIP", map[string]string{"sip.request_uri": "sip:bob@example.org", "sip.method": "INVITE"}, []string{"sip", "invite"}, nil},
	{"answer with a body, and more", sipAnswer + sipAnswer, fromServer, "SIP", map[string]string{"sip.response_code": "200", "sip.payload": "v=0\\n"}, []string{"200 ok"}, []string{"request"}},
	{"invite that tells more than there is", strings.Replace(sipInvite, "Length: 4", "Length: 4000", 1), udpClient, "SIP", map[string]string{"sip.payload": "v=0\\n"}, nil, nil},
	{"access request that is cut", radiusAccess[:30], onPort(udpClient, 1812), "RADIUS", nil, []string{"partial"}, nil},
	{"capabilities that go on", diameterHello[:30], fromClient, "Diameter", nil, []string{"partial"}, nil},
	{"RMCP of no version", "\x00\x01\x02garbage", onPort(udpClient, 623), "binary", nil, nil, nil},
	{"capabilities", diameterHello, fromClient, "Diameter", map[string]string{"diameter.command_code": "257"}, []string{"diameter"}, nil},
	{"two messages", diameterHello + diameterHello, fromClient, "Diameter", nil, nil, nil},
	{"read registers", modbusRead, onPort(fromClient, 502), "Modbus", map[string]string{"modbustcp.transaction_identifier": "7", "modbus.payload": "03006b0003"}, nil, nil},
}
