#!/bin/bash
# Records the captures beside it: real daemons of Debian 12, their clients, and what tcpdump sees of them on a
# loopback of its own. Run as root in this folder, with the captures to make again: "./record.sh redis ldap".
#
# Needs tcpdump, python3, redis-server, memcached, mosquitto, mosquitto-clients, slapd, ldap-utils, snmpd, snmp,
# bind9, bind9-dnsutils, postgresql-15, openssl and gnutls-bin. Packages that are unpacked only are found under ROOT.
set -u
ROOT=${ROOT:-}
export PATH=$PATH:$ROOT/usr/sbin:/usr/sbin LD_LIBRARY_PATH=$ROOT/usr/lib/$(uname -m)-linux-gnu
work=$(mktemp -d)
chmod 711 "$work"
trap 'rm -rf "$work"' EXIT

# begin CAPTURE FILTER DAEMON...: starts both and waits until they listen.
begin() {
	tcpdump -q --immediate-mode -i lo -s 8192 -U -w "$1.pcap" "$2" 2>/dev/null &
	sniffer=$!
	shift 2
	"$@" >/dev/null 2>&1 &
	daemon=$!
	sleep 1.5
}

end() {
	sleep 0.3
	kill $sniffer $daemon
	wait
}

# talk PORT: sends each line of its input, in which Python's escapes stand, and hears what comes back.
talk() {
	python3 -c '
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.settimeout(0.25)
for line in sys.argv[2].splitlines():
    s.sendall(line.encode().decode("unicode_escape").encode("latin1"))
    try:
        while s.recv(65536): pass
    except TimeoutError: pass
' "$1" "$(cat)"
}

redis() {
	begin redis 'port 6379' redis-server --save ''
talk 6379 <<'X'
*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n
*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n
*2\r\n$3\r\nGET\r\n$4\r\nnone\r\n
*2\r\n$6\r\nAPPEND\r\n$1\r\nk\r\n
*3\r\n$5\r\nLPUSH\r\n$4\r\nlist\r\n$1\r\na\r\n*3\r\n$5\r\nLPUSH\r\n$4\r\nlist\r\n$0\r\n\r\n*4\r\n$6\r\nLRANGE\r\n$4\r\nlist\r\n$1\r\n0\r\n$2\r\n-1\r\n
*4\r\n$4\r\nHSET\r\n$1\r\nh\r\n$1\r\nf\r\n$4\r\n\x00\xff\r\n\r\n*2\r\n$7\r\nHGETALL\r\n$1\r\nh\r\n
*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n*4\r\n$6\r\nLRANGE\r\n$4\r\nlist\r\n$1\r\n0\r\n$2\r\n-1\r\n*1\r\n$4\r\nEXEC\r\n
*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$8\r\nmaxmem*y\r\n
*3\r\n$4\r\nEVAL\r\n$28\r\nreturn {1,{2,{'x','y'}},nil}\r\n$1\r\n0\r\n
*2\r\n$4\r\nTYPE\r\n$4\r\nlist\r\n
*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\nnews\r\n
X
end
}

redis3() { # RESP3 and inline commands
	begin redis3 'port 6379' redis-server --save ''
talk 6379 <<'X'
PING\r\n
SET inline "a b"\r\nGET inline\r\n
NOSUCH command\r\n
X
talk 6379 <<'X'
*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n
*6\r\n$4\r\nZADD\r\n$1\r\nz\r\n$3\r\n1.5\r\n$1\r\na\r\n$1\r\n2\r\n$1\r\nb\r\n*3\r\n$6\r\nZSCORE\r\n$1\r\nz\r\n$1\r\na\r\n
*4\r\n$4\r\nHSET\r\n$1\r\nh\r\n$1\r\nf\r\n$1\r\nv\r\n*2\r\n$7\r\nHGETALL\r\n$1\r\nh\r\n
*3\r\n$4\r\nSADD\r\n$1\r\ns\r\n$1\r\nm\r\n*2\r\n$8\r\nSMEMBERS\r\n$1\r\ns\r\n
*2\r\n$3\r\nGET\r\n$4\r\nnone\r\n
*3\r\n$5\r\nDEBUG\r\n$8\r\nPROTOCOL\r\n$6\r\nattrib\r\n
*3\r\n$4\r\nEVAL\r\n$55\r\nredis.setresp(3); return {true, {double=1.25}, 'x', nil}\r\n$1\r\n0\r\n
X
end
}

memcached_text() {
	begin memcached 'port 11211' memcached -u nobody -U 0
talk 11211 <<'X'
set key 5 0 5\r\nvalue\r\n
get key\r\n
gets key none\r\n
add key 0 0 1\r\nx\r\n
append key 0 0 2\r\n\x00\xff\r\n
cas key 0 0 1 99\r\ny\r\n
set n 0 0 1 noreply\r\n7\r\n
incr n 5\r\n
decr n 2\r\n
delete key\r\n
delete key\r\n
version\r\n
flush_all\r\n
incr none x\r\n
quit\r\n
X
end
}

memcached_meta() {
	begin memcachedmeta 'port 11211' memcached -u nobody -U 0
talk 11211 <<'X'
ms key 5 T0 F3\r\nvalue\r\n
mg key v f t s c\r\nmg none v\r\n
mg key k O123 q\r\nmn\r\n
ma n N0 J5 v\r\nma n D2 v\r\n
md key\r\nmd key q\r\n
me n\r\nme none\r\n
gat 100 n\r\n
stats settings\r\n
ms key x\r\n
touch n 100\r\n
verbosity 1\r\n
get\r\n
nonsense\r\n
quit\r\n
X
end
}

memcached_binary() {
	begin memcachedbinary 'port 11211' memcached -u nobody -U 0 -B binary
python3 - <<'X' | talk 11211
import struct
def req(op, key=b"", value=b"", extras=b"", cas=0, opaque=0x1234):
    b = struct.pack(">BBHBBHIIQ", 0x80, op, len(key), len(extras), 0, 0, len(key)+len(value)+len(extras), opaque, cas)+extras+key+value
    return "".join("\\x%02x" % c for c in b)
print(req(1, b"key", b"value", struct.pack(">II", 0xdeadbeef, 3600)))
print(req(0, b"key"))
print(req(0, b"none"))
print(req(0x0c, b"key"))
print(req(2, b"key", b"v", struct.pack(">II", 0, 0)))
print(req(3, b"key", b"v2", struct.pack(">II", 1, 0), cas=77))
print(req(5, b"n", extras=struct.pack(">QQI", 5, 10, 0)))
print(req(5, b"n", extras=struct.pack(">QQI", 5, 10, 0)))
print(req(6, b"n", extras=struct.pack(">QQI", 1, 0, 0)))
print(req(0x0e, b"key", b"tail"))
print(req(0x0f, b"key", b"head"))
print(req(0x0b))
print(req(0x11, b"a", b"b", struct.pack(">II", 0, 0)) + req(0x09, b"a") + req(0x0a))
print(req(4, b"key"))
print(req(0x10, b"nothing"))
print(req(8, extras=struct.pack(">I", 0)))
print(req(7))
X
end
}

# mqtt CAPTURE VERSION OPTIONS...: options for who subscribes, and for two who publish.
mqtt() {
	printf 'listener 1883 127.0.0.1\nallow_anonymous true\n' >"$work/mosquitto.conf"
	begin "$1" 'port 1883' mosquitto -c "$work/mosquitto.conf"
V=$2
mosquitto_sub -V $V -i sub1 -t 'a/#' -t 'b/+/c' -q 1 -C 3 -W 8 $3 >/dev/null 2>&1 & S=$!
sleep 0.5
mosquitto_pub -V $V -i pub1 -u user -P secret -t a/b -m hello --will-topic will/t --will-payload gone --will-qos 1 --will-retain $4
mosquitto_pub -V $V -i pub2 -t a/q1 -m 'quality one' -q 1 -r $5
mosquitto_pub -V $V -i pub3 -t b/x/c -m 'quality two' -q 2 
wait $S
mosquitto_sub -V $V -i sub2 -t 'c' -U 'd/e' -W 1  >/dev/null 2>&1
mosquitto_pub -V $V -i pub4 -t c -n -q 1
end
}

ldap() {
cat >"$work/slapd.conf" <<C
include $ROOT/etc/ldap/schema/core.schema
include $ROOT/etc/ldap/schema/cosine.schema
include $ROOT/etc/ldap/schema/inetorgperson.schema
modulepath $ROOT/usr/lib/ldap
moduleload back_mdb
database mdb
suffix "dc=example,dc=org"
rootdn "cn=admin,dc=example,dc=org"
rootpw secret
directory $work
C
begin ldap 'port 389' slapd -f "$work/slapd.conf" -h ldap://127.0.0.1:389/ -d 0
L="-x -H ldap://127.0.0.1"; A="-D cn=admin,dc=example,dc=org -w secret"
ldapadd $L $A >/dev/null <<'X'
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: cn=Ann,dc=example,dc=org
objectClass: person
cn: Ann
sn:: w4TDpA==
description: one
description: two
X
ldapsearch $L -b dc=example,dc=org -s sub '(&(objectClass=person)(|(cn=A*n)(sn~=x)(!(description>=z)))(cn:caseExactMatch:=Ann))' cn description >/dev/null
ldapsearch $L -b dc=example,dc=org -z 1 -l 5 -E pr=1/noprompt -s one -A '(description<=a\2a)' '*' >/dev/null
ldapsearch $L -b dc=nowhere -s base >/dev/null 2>&1
ldapmodify $L $A >/dev/null <<'X'
dn: cn=Ann,dc=example,dc=org
changetype: modify
replace: description
description: three
-
add: telephoneNumber
telephoneNumber: 1
-
delete: telephoneNumber
X
ldapcompare $L cn=Ann,dc=example,dc=org sn:B >/dev/null 2>&1
ldapmodrdn $L $A -r cn=Ann,dc=example,dc=org cn=Anna >/dev/null
ldapwhoami $L $A >/dev/null
ldapdelete $L $A cn=Anna,dc=example,dc=org >/dev/null
ldapsearch $L -D cn=admin,dc=example,dc=org -w wrong >/dev/null 2>&1
ldapwhoami -H ldap://127.0.0.1 -Y DIGEST-MD5 -U u -w p >/dev/null 2>&1
ldapsearch $L -ZZ >/dev/null 2>&1
end
}

dns() {
cat >"$work/zone" <<'Z'
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 192.0.2.53
ns AAAA 2001:db8::53
mb MB a
mg MG a
mr MR a
nul NULL \# 3 010203
wks WKS 192.0.2.1 6 25 53
alias CNAME ns
ptr PTR ns
hinfo HINFO "PDP-11" "UNIX"
minfo MINFO a b
@ MX 10 mail
txt TXT "v=spf1 -all" "second" ""
rp RP mbox.example.org. txt
afsdb AFSDB 1 afs
x25 X25 "311061700956"
isdn ISDN "150862028003217" "004"
rt RT 2 relay
nsap NSAP 0x47000580ffff0000
key KEY 512 3 8 AwEAAdO7zN8hCQ==
px PX 50 net2.it. PRMD-net2.ADMD-p400.C-it.
gpos GPOS -32.6882 116.8652 10.0
loc LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
_sip._tcp SRV 0 5 5060 sip
naptr NAPTR 100 50 "s" "SIP+D2U" "!^.*$!sip:x@example.org!" _sip._udp
kx KX 10 kx
cert CERT PKIX 1 8 MxFcby9k
a6 A6 64 ::1 prefix
dname DNAME other.example.org.
apl APL 1:192.168.32.0/21 !1:192.168.38.0/28 2:2001:db8::/32
ds DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118
ds NS ns
sshfp SSHFP 2 1 123456789abcdef67890123456789abcdef67890
ipk4 IPSECKEY 10 1 2 192.0.2.38 AQNRU3mG7TVTO2BkR47usntb102uFJtu
ipk6 IPSECKEY 10 2 2 2001:db8::8 AQNRU3mG7TVTO2BkR47usntb102uFJtu
ipkn IPSECKEY 10 3 2 gw.example.org. AQNRU3mG7TVTO2BkR47usntb102uFJtu
ipk0 IPSECKEY 10 0 2 . AQNRU3mG7TVTO2BkR47usntb102uFJtu
rrsig RRSIG A 8 3 300 20301231235959 20250101000000 2642 example.org. oJB1W6WNGv+ldvQ3WDG0MQkg5IEhjRip8WTr
sig SIG A 8 3 300 20301231235959 20250101000000 2642 example.org. oJB1W6WNGv+ldvQ3WDG0MQkg5IEhjRip8WTr
nsec NSEC txt.example.org. A MX RRSIG NSEC TYPE1234
dnskey DNSKEY 256 3 8 AwEAAdO7zN8hCQ==
dhcid DHCID AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=
2vptu5timamqttgl4luu9kg21e0aor2s NSEC3 1 1 12 aabbccdd 2vptu5timamqttgl4luu9kg21e0aor3s A RRSIG
nsec3p NSEC3PARAM 1 0 12 aabbccdd
tlsa TLSA 0 0 1 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971
smimea SMIMEA 3 1 1 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971
hip HIP 2 200100107B1A74DF365639CC39F1D578 AwEAAbdxyhNuSutc5EMzxTs9LBPCIkOFH8cIvM4p rvs.example.org. rvs2.example.org.
cds CDS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118
cdnskey CDNSKEY 257 3 8 AwEAAdO7zN8hCQ==
pgp OPENPGPKEY AAECAwQFBgc=
csync CSYNC 66 3 A NS AAAA
zonemd ZONEMD 2018031900 1 1 c68090d90a7aed716bc459f9340e3d7c1370d4d24b7e2fc3a1ddc0b9a87153b9a9713b3c9ae5cc27777f98b8e730044c
svcb SVCB 1 svc mandatory=alpn,port alpn=h2,h3 port=8443 ipv4hint=192.0.2.7,192.0.2.8 ipv6hint=2001:db8::7 key65333=ex
https HTTPS 0 svc
https2 HTTPS 1 . alpn=h2 no-default-alpn ech="AEX+"
spf SPF "v=spf1 -all"
nid NID 10 0014:4fff:ff20:ee64
l32 L32 10 10.1.2.0
l64 L64 10 2001:0DB8:1140:1000
lp LP 10 l64-subnet1
eui48 EUI48 00-00-5e-00-53-2a
eui64 EUI64 00-00-5e-ef-10-00-00-2a
uri URI 10 1 "ftp://ftp1.example.com/public"
caa CAA 128 issue "ca.example.net; policy=ev"
caa CAA 0 issuewild ";"
caa CAA 0 iodef "mailto:s@example.org"
caa CAA 0 other "x"
dlv DLV 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118
ta TA 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118
unknown TYPE4711 \# 2 abcd
Z
cat >"$work/named.conf" <<C
options { directory "$work"; listen-on port 53 { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; pid-file none;
	dnssec-validation no; check-names primary ignore; allow-transfer { any; }; server-id "inquest"; session-keyfile "$work/session.key"; };
controls { };
key "k" { algorithm hmac-sha256; secret "c2VjcmV0c2VjcmV0c2VjcmV0"; };
zone "example.org" { type primary; file "zone"; check-integrity no; allow-update { any; }; };
C
begin dns 'port 53' named -g -4 -c "$work/named.conf"
ask() { dig @127.0.0.1 +tries=1 +time=2 "$@" >/dev/null; }
ask -t AXFR example.org +nocookie
ask a.example.org +noedns
ask alias.example.org +nsid +subnet=192.0.2.0/24 +keepalive +padding=64 +dnssec
ask ns.example.org AAAA +subnet=2001:db8::/48 +cookie=0123456789abcdef +tcp
ask ns.example.org +ednsopt=5:0508 +ednsopt=6:0102 +ednsopt=7:01 +ednsopt=13:076578616d706c6500 +ednsopt=15:00124e6f +ednsopt=65001:aabb +ednsopt=9
ask example.org -y hmac-sha256:k:c2VjcmV0c2VjcmV0c2VjcmV0
ask nope.example.org +keepopen +tcp mail.example.org MX +tcp
ask version.bind CH TXT
ask ns.example.org +ednsopt=8:00010000
nsupdate <<'U'
server 127.0.0.1
zone example.org
prereq nxdomain new.example.org
prereq yxrrset ns.example.org A
update add new.example.org 60 A 192.0.2.9
update delete hinfo.example.org HINFO
update delete rp.example.org
send
U
nsupdate -v <<'U'
server 127.0.0.1
zone example.org
key hmac-sha256:k c2VjcmV0c2VjcmV0c2VjcmV0
update add new2.example.org 60 TXT x
send
U
end
}

snmp() {
cat >"$work/snmpd.conf" <<'C'
agentaddress udp:127.0.0.1:161
rocommunity public
rwcommunity private
sysLocation here
sysContact me
C
export SNMP_PERSISTENT_DIR=$work
begin snmp 'port 161 or port 162' snmpd -f -C -c "$work/snmpd.conf"
export MIBS=
snmpget -v1 -c public 127.0.0.1 .1.3.6.1.2.1.1.1.0 .1.3.6.1.2.1.1.3.0 >/dev/null
snmpget -v2c -c public 127.0.0.1 .1.3.6.1.2.1.1.2.0 .1.3.6.1.2.1.1.99.0 .1.3.6.1.2.1.4.20.1.1.127.0.0.1 >/dev/null
snmpgetnext -v2c -c public 127.0.0.1 .1.3.6.1.2.1.1 .1.3.6.1.2.1.2.2.1.10 .1.3.6.1.2.1.2.2.1.5 .1.3.6.1.2.1.31.1.1.1.6>/dev/null
snmpbulkget -v2c -c public -Cn1 -Cr3 127.0.0.1 .1.3.6.1.2.1.1 .1.3.6.1.2.1.25.1 >/dev/null
snmpset -v2c -c private 127.0.0.1 .1.3.6.1.2.1.1.6.0 s there >/dev/null 2>&1
snmpset -v2c -c private 127.0.0.1 .1.3.6.1.2.1.1.99.0 i -70000 >/dev/null 2>&1
snmpget -v1 -c public 127.0.0.1 .1.3.6.1.2.1.1.99.0 >/dev/null 2>&1
snmptrap -v1 -c public 127.0.0.1:162 .1.3.6.1.4.1.8072 10.1.2.3 6 17 '' .1.3.6.1.4.1.8072.1 s hi .1.3.6.1.4.1.8072.2 a 10.0.0.1 2>/dev/null
snmptrap -v2c -c public 127.0.0.1:162 '' .1.3.6.1.6.3.1.1.5.1 .1.3.6.1.4.1.8072.3 u 5 .1.3.6.1.4.1.8072.4 o .1.3.6.1.2 .1.3.6.1.4.1.8072.5 x 00ff 2>/dev/null
snmpinform -v2c -c public -r 0 -t 0.2 127.0.0.1:162 '' .1.3.6.1.6.3.1.1.5.1 2>/dev/null
end
}

postgres() {
	bin=/usr/lib/postgresql/15/bin data=$work/data
	install -d -o postgres "$data"
	cd "$work" && su postgres -c "$bin/initdb -A trust -D $data" >/dev/null && cd - >/dev/null
	sed -i '1i host all sasl 127.0.0.1/32 scram-sha-256' "$data/pg_hba.conf"
	begin postgres 'port 5432' su postgres -c "cd / && exec $bin/postgres -D $data -k $data -h 127.0.0.1 -F"
export PGHOST=127.0.0.1 PGUSER=postgres PGSSLMODE=prefer PGDATABASE=postgres
psql -X -c "drop role if exists sasl" -c "create role sasl login password 'pw'" >/dev/null
psql -X -q -c "create temp table t(a int primary key, b text)" -c "insert into t values (1,'one'),(2,null)" -c "select * from t" -c "select 1/0" -c "insert into t values (1,'x')" >/dev/null 2>&1
PGPASSWORD=pw PGSSLMODE=disable PGUSER=sasl psql -X -q -c "select 2" >/dev/null
PGPASSWORD=wrong PGSSLMODE=disable PGUSER=sasl psql -X -q -c "select 2" >/dev/null 2>&1
printf 'create temp table c(x int);\ncopy c from stdin;\n1\n2\n\\.\ncopy c to stdout;\nlisten ch;\nnotify ch, $$pay$$;\n' | sed 's/\$\$/'"'"'/g' | PGSSLMODE=disable psql -X -q >/dev/null
(PGSSLMODE=disable timeout -s INT 0.7 psql -X -q -c "select pg_sleep(5)" >/dev/null 2>&1)
PGSSLMODE=disable $bin/pgbench -n -M prepared -t 2 -f /dev/stdin >/dev/null 2>&1 <<'X'
\set x 5
select :x + 1, 'a';
X
end
}

tls() { # every version, way of exchanging keys and kind of resumption, with the key log inside
cd "$work"
export OPENSSL_CONF=/dev/null # Debian's forbids what is old
cat >ca.conf <<C
[ca]
subjectKeyIdentifier=hash
basicConstraints=critical,CA:TRUE,pathlen:1
keyUsage=critical,keyCertSign,cRLSign
[leaf]
subjectAltName=DNS:server.example,DNS:*.server.example,IP:192.0.2.1,IP:2001:db8::1,email:ops@server.example,URI:https://server.example/
authorityKeyIdentifier=keyid
extendedKeyUsage=serverAuth,clientAuth
certificatePolicies=2.23.140.1.2.1
crlDistributionPoints=URI:http://crl.example/ca.crl
authorityInfoAccess=OCSP;URI:http://ocsp.example/,caIssuers;URI:http://ca.example/ca.crt
nameConstraints=permitted;DNS:server.example
tlsfeature=status_request
1.3.6.1.4.1.11129.2.4.3=critical,ASN1:NULL
C
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9000 -subj '/C=NO/ST=Oslo/L=Oslo/O=Example/OU=Ops/CN=An example CA' -keyout ca.key -out ca.crt -config /etc/ssl/openssl.cnf -extensions v3_ca 2>/dev/null
leaf() { # leaf NAME SUBJECT KEY...
	name=$1 subject=$2; shift 2
	openssl req -newkey "$@" -nodes -utf8 -subj "$subject" -keyout $name.key -out $name.csr 2>/dev/null
	openssl x509 -req -in $name.csr -CA ca.crt -CAkey ca.key -set_serial 0x1234567890abcdef -days 9000 -extfile ca.conf -extensions leaf -out $name.crt 2>/dev/null
}
leaf ec '/CN=server.example/serialNumber=17/emailAddress=ops@server.example/DC=server' ec -pkeyopt ec_paramgen_curve:P-256
leaf rsa '/O=Ødegård/CN=server.example' rsa:2048
leaf ed '/CN=client.example/title=x/GN=Ann/SN=B' ed25519
openssl ocsp -index /dev/null -rsigner ca.crt -rkey ca.key -CA ca.crt -issuer ca.crt -cert ec.crt -reqout req.der 2>/dev/null
openssl ocsp -index /dev/null -rsigner ca.crt -rkey ca.key -CA ca.crt -reqin req.der -respout ocsp.der -ndays 9000 2>/dev/null
python3 - <<'P'
import struct
sct = b"\0" + bytes(range(32)) + struct.pack(">Q", 1764500000123) + b"\0\0" + b"\x04\x03" + b"\0\x08" + b"signatur"
scts = struct.pack(">H", len(sct)) + sct
def ext(context, kind, body):
    import base64
    raw = struct.pack(">IHH", context, kind, len(body)) + body
    return "-----BEGIN SERVERINFOV2 FOR X-----\n" + base64.encodebytes(raw).decode() + "-----END SERVERINFOV2 FOR X-----\n"
open("info.pem", "w").write(ext(0x1d0, 18, struct.pack(">H", len(scts)) + scts))
P
tcpdump -q --immediate-mode -i lo -s 0 -U -w all.pcap tcp 2>/dev/null & sniffer=$!
sleep 1
port=4430
ask() { (sleep 0.25; printf '%s' "$said"; sleep 0.35) | timeout 5 openssl s_client -connect 127.0.0.1:$port -keylogfile keys.log "$@" >client.log 2>&1; }
done_() { kill $server; wait $server 2>/dev/null; }
next() { port=$((port+1)); openssl s_server -accept $port -quiet "$@" >server.log 2>&1 < <(sleep 30) & server=$!; sleep 0.4; }
said='question
'
next -cert rsa.crt -key rsa.key -tls1 -cipher AES128-SHA:@SECLEVEL=0; ask -tls1 -cipher AES128-SHA:@SECLEVEL=0 -no_ticket; done_
next -cert rsa.crt -key rsa.key -tls1_1 -cipher DHE-RSA-AES128-SHA:@SECLEVEL=0; ask -tls1_1 -cipher ALL:@SECLEVEL=0 -noservername; done_
next -cert ec.crt -key ec.key -CAfile ca.crt -verify 1 -tls1_2 -alpn http/1.1 -status_file ocsp.der -serverinfo info.pem -client_renegotiation
ask -tls1_2 -alpn h2,http/1.1 -status -servername server.example -cert ed.crt -key ed.key -sess_out sess.pem -maxfraglen 1024
ask -tls1_2 -sess_in sess.pem -servername server.example
said='R
' ask -tls1_2 -cert ed.crt -key ed.key
done_
next -cert rsa.crt -key rsa.key -psk 0123456789abcdef -psk_hint 'a hint' -tls1_2 -cipher PSK-AES128-GCM-SHA256:ECDHE-PSK-AES128-CBC-SHA256:DHE-PSK-AES128-CBC-SHA256:RSA-PSK-AES128-CBC-SHA256:@SECLEVEL=0
for c in RSA-PSK-AES128-CBC-SHA256 PSK-AES128-GCM-SHA256 ECDHE-PSK-AES128-CBC-SHA256 DHE-PSK-AES128-CBC-SHA256; do ask -tls1_2 -psk 0123456789abcdef -psk_identity who -cipher $c:@SECLEVEL=0; done
done_
next -cert rsa.crt -key rsa.key -tls1_2; ask -tls1_2 -srpuser ann -srppass pass:pw -cipher SRP-RSA-AES-128-CBC-SHA:@SECLEVEL=0; done_
next -cert rsa.crt -key rsa.key -tls1_2 -srpvfile srp.v -cipher SRP-RSA-AES-128-CBC-SHA:@SECLEVEL=0; ask -tls1_2 -srpuser ann -srppass pass:pw -cipher SRP-RSA-AES-128-CBC-SHA:@SECLEVEL=0; done_
next -cert rsa.crt -key rsa.key -tls1_2 -cipher ADH-AES128-SHA256:AECDH-AES128-SHA:@SECLEVEL=0
for c in ADH-AES128-SHA256 AECDH-AES128-SHA; do ask -tls1_2 -cipher $c:@SECLEVEL=0 -nextprotoneg h2; done
done_
next -cert ec.crt -key ec.key -tls1_3 -groups P-384 -CAfile ca.crt -verify 1 -status_file ocsp.der -early_data -alpn http/1.1 -serverinfo info.pem -num_tickets 1
ask -tls1_3 -groups X25519:P-384 -cert ec.crt -key ec.key -status -sess_out sess13.pem -alpn http/1.1,x -enable_pha -servername server.example
printf 'early\n' >early; ask -tls1_3 -groups P-384 -sess_in sess13.pem -early_data early -alpn http/1.1 -servername server.example
said='K
' ask -tls1_3 -groups P-384 -no_ticket
ask -tls1_2
done_
next -nocert -tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256 -psk 0123456789abcdef0123456789abcdef; ask -tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256 -psk 0123456789abcdef0123456789abcdef -allow_no_dhe_kex; done_
gnutls() { port=$((port+1)); gnutls-serv --echo -q --port $port --x509certfile ec.crt --x509keyfile ec.key --x509cafile ca.crt "$@" >gs.log 2>&1 & server=$!; sleep 0.5; }
gask() { (sleep 0.3; printf 'question\n'; sleep 0.4) | SSLKEYLOGFILE=keys.log timeout 5 gnutls-cli 127.0.0.1:$port --insecure "$@" >gc.log 2>&1; }
gnutls --heartbeat --priority NORMAL:-VERS-TLS1.3 --require-client-cert --ocsp-response ocsp.der
gask --heartbeat --x509certfile rsa.crt --x509keyfile rsa.key --recordsize 4096 --resume --alpn http/1.1 --sni-hostname server.example
gask --priority 'NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+DHE-RSA:+ECDHE-ECDSA:%COMPAT' --srtp-profiles SRTP_AES128_CM_HMAC_SHA1_80 --no-ca-verification
done_
gnutls --priority NORMAL --compress-cert brotli --require-client-cert --maxearlydata 4096 --earlydata
gask --x509certfile rsa.crt --x509keyfile rsa.key --resume --post-handshake-auth --recordsize 1024 --sni-hostname server.example
gask --compress-cert brotli,zlib --priority NORMAL:+RAWPK:+CTYPE-ALL:-GROUP-ALL:+GROUP-X448:+GROUP-FFDHE2048
done_
next -cert ec.crt -key ec.key -serverinfo info.pem -status_file ocsp.der -alpn http/1.1 -cipher ALL:@SECLEVEL=0
python3 - $port <<'P'
import socket, struct, sys
def say(data):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s.settimeout(0.4)
    s.sendall(data)
    try:
        while s.recv(65536): pass
    except OSError: pass
    s.close()
def hello(version, suites, extensions, methods=b"\0"):
    body = struct.pack(">H", version) + b"\x5f" * 32 + b"\0" + struct.pack(">H", 2*len(suites)) + struct.pack(">%dH" % len(suites), *suites) + bytes([len(methods)]) + methods
    ext = b"".join(struct.pack(">HH", k, len(b)) + b for k, b in extensions)
    if extensions: body += struct.pack(">H", len(ext)) + ext
    msg = b"\1" + struct.pack(">I", len(body))[1:] + body
    return struct.pack(">BHH", 22, 0x301, len(msg)) + msg
suites = b"\x00\x00\x35\x01\x00\x80\x00\xc0\x2f"
say(struct.pack(">H", 0x8000 | 9 + len(suites) + 16) + b"\1\3\1" + struct.pack(">HHH", len(suites), 0, 16) + suites + b"challenge-16byte")
say(hello(0x300, [0x35, 0x0a, 4], [], b"\1\0"))
many = [(0, b"\0\x11\0\0\x0eserver.example"), (1, b"\2"), (4, b""), (5, b"\1\0\4\0\2\xaa\xbb\0\3ext"), (0x0a0a, b""), (10, b"\0\6\x1a\x1a\x00\x1d\x63\x99"), (11, b"\3\0\1\2"),
 (13, b"\0\x08\4\3\x08\4\2\1\x1a\x1a"), (14, b"\0\2\0\1\0"), (15, b"\1"), (16, b"\0\x0c\2h2\x08http/1.1"), (17, b"\0\7\2\0\4\0\0\0\0"), (18, b""), (19, b"\2\2\0"), (20, b"\1\0"), (21, b"\0\0\0"), (22, b""), (23, b""),
 (24, b"\1\0\1\2"), (27, b"\4\0\1\0\2"), (28, b"\x40\1"), (34, b"\0\2\4\3"), (35, b"ticket"), (0x2a2a, b"\0"), (43, b"\x08\x3a\x3a\3\4\3\3\3\1"), (44, b"\0\4cook"), (45, b"\1\1"), (47, b"\0\x06\0\x04\x30\x02\x31\0"),
 (49, b""), (50, b"\0\2\4\3"), (51, b"\0\x29\x1a\x1a\0\1\0\0\x1d\0\x20" + b"k" * 32), (58, b"\1\2"), (13172, b""), (17513, b"\0\3\2h2"), (65281, b"\0"), (65037, b"\0\0\1\0\1\7\0\2en\0\3pay"), (4711, b"private")]
usual = [(10, b"\0\2\0\x17"), (11, b"\1\0"), (13, b"\0\2\4\3"), (5, b"\1\0\0\0\0"), (18, b""), (22, b""), (23, b""), (35, b"")]
say(hello(0x303, [0xc02b, 0xc023], usual))
say(hello(0x302, [0xc009], usual[:2]))
say(hello(0x303, [0xc02b], usual) + struct.pack(">BHHHBB", 23, 0x303, 1, 0x5800, 1, 0))
say(hello(0x303, [0x1a1a, 0x1301, 0x1302, 0xc02f, 0x5600, 0x00ff], many))
say(struct.pack(">BHH", 21, 0x303, 2) + b"\2\x28")
say(struct.pack(">BHH", 24, 0x303, 24) + b"\1\0\5hello" + b"p" * 16)
P
done_
sleep 0.3; kill $sniffer; wait $sniffer 2>/dev/null
cd - >/dev/null
grep -h '^[A-Z]' "$work/keys.log" | sort -u >"$work/sorted.log"
cp "$work/all.pcap" tls.pcap; cp "$work/sorted.log" tls.keys
}

if [ -z "${INSIDE:-}" ]; then
	for name in "$@"; do
		INSIDE=1 unshare -n "$0" "$name"
	done
	exit
fi
ip link set lo up
case $1 in
memcached) memcached_text ;;
memcachedmeta) memcached_meta ;;
memcachedbinary) memcached_binary ;;
mqtt3) mqtt mqtt3 mqttv311 '' '' '' ;;
mqtt5) mqtt mqtt5 mqttv5 "-D connect session-expiry-interval 60 -D subscribe user-property k v" \
	"-D publish content-type text/plain -D publish user-property a b -D connect receive-maximum 10 -D will will-delay-interval 5" \
	"-D publish response-topic r/t -D publish correlation-data cd -D publish payload-format-indicator 1" ;;
*) $1 ;;
esac
