package dissect

// Keys of service parameters (RFC 9460, section 14.3; ech: RFC 9848).
var dnsServiceKeys = map[int]string{
	0: "mandatory", 1: "alpn", 2: "no-default-alpn", 3: "port", 4: "ipv4hint", 5: "ech", 6: "ipv6hint", 7: "dohpath", 8: "ohttp",
}

// dnsServiceForms are the forms of the parameters' values.
var dnsServiceForms = map[int]string{
	0: "svcb.svcparam.mandatory.key:2 ...", 1: "svcb.svcparam.alpn.length:l svcb.svcparam.alpn:s ...", 3: "svcb.svcparam.port:2",
	4: "svcb.svcparam.ipv4hint.ip:a ...", 5: "svcb.svcparam.echconfig:*", 6: "svcb.svcparam.ipv6hint.ip:A ...",
}

// service reads the data of SVCB and HTTPS records (RFC 9460, section 2.2).
func (d *dnsReader) service() {
	d.element("dns.svcb.svcpriority", '2')
	d.element("dns.svcb.targetname", 'n')
	d.entries("dns.svcb.svcparam.key", dnsServiceKeys, "dns.svcb.svcparam.value.length", func(key int) {
		if form := dnsServiceForms[key]; form != "" {
			d.form(form)
		} else if d.r.Len() > 0 {
			d.element("dns.svcb.svcparam.value", '*')
		}
	})
}

// entries reads entries of a code, a length and a value of that length, up to the end.
func (d *dnsReader) entries(code string, codes map[int]string, length string, value func(code int)) {
	for d.r.Len() > 0 && d.r.Err() == nil && !d.full() {
		n := d.number(d.r, 2, code, named(codes))
		d.words = append(d.words, named(codes)(n))
		d.element(length, 'L')
		outer, words := d.r, d.words
		d.r = open(code, offset(outer), outer.Bytes(uint64(d.last)))
		value(n)
		if d.words = words; outer.Err() == nil && (d.r.Err() != nil || d.r.Len() > 0) {
			outer.Fail("expected a value of the form of %s", named(codes)(n))
		}
		d.r = outer
	}
}

// Codes of EDNS options (IANA, DNS EDNS0 Option Codes).
var dnsOptionCodes = map[int]string{
	1: "LLQ", 2: "UL", 3: "NSID", 5: "DAU", 6: "DHU", 7: "N3U", 8: "CSUBNET", 9: "EXPIRE", 10: "COOKIE", 11: "EDNS TCP Keepalive",
	12: "PADDING", 13: "CHAIN", 14: "KEY-TAG", 15: "Extended DNS Error", 16: "EDNS-Client-Tag", 17: "EDNS-Server-Tag", 18: "Report-Channel",
}

// dnsOptionForms are the forms of the options' data (RFC 6975, 7871, 7873, 7828, 7830, 7901, 8914).
var dnsOptionForms = map[int]string{
	5: "opt.dau:1 ...", 6: "opt.dhu:1 ...", 7: "opt.n3u:1 ...", 10: "opt.cookie.client:8 opt.cookie.server:*?",
	11: "opt.edns_tcp_keepalive.timeout:2?", 12: "opt.padding:*", 13: "opt.chain.fqdn:n",
	15: "opt.ext_error.info_code:2 opt.ext_error.extra_text:t?",
}

// options reads the data of an OPT record (RFC 6891, section 6.1.2).
func (d *dnsReader) options() {
	d.entries("dns.opt.code", dnsOptionCodes, "dns.opt.len", func(code int) {
		if at := offset(d.r); d.r.Len() > 0 {
			d.field("dns.opt.data", hexBytes(peek(d.r)), at, d.r.Len())
		}
		if code == 8 {
			d.clientSubnet()
			return
		}
		if form := dnsOptionForms[code]; form != "" && d.r.Len() > 0 {
			d.form(form)
		} else {
			d.r.Rest()
		}
	})
}

// clientSubnet reads whom a query is asked for (RFC 7871, section 6).
func (d *dnsReader) clientSubnet() {
	d.element("dns.opt.client.family", '2')
	family := d.last
	d.element("dns.opt.client.netmask", '1')
	d.element("dns.opt.client.scope", '1')
	d.shortAddress("dns.opt.client.", [3]string{"addr4", "addr6", "addr"}, family, d.r.Len())
}

// extension reads how an OPT record uses what are class and time to live elsewhere (RFC 6891, section 6.1.3).
func (d *dnsReader) extension() {
	d.number(d.r, 2, "dns.rr.udp_payload_size", decimal)
	d.number(d.r, 1, "dns.resp.ext_rcode", decimal)
	d.number(d.r, 1, "dns.resp.edns0_version", decimal)
	z := d.number(d.r, 2, "dns.resp.z", hex0x4)
	if d.r.Err() == nil {
		d.field("dns.resp.z.do", decimal(z>>15), offset(d.r)-2, 2)
	}
}
