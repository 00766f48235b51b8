#!/bin/bash
# Records the captures beside it: real daemons of Debian 12, clients that ask them for many things, and what tcpdump
# sees of it on a loopback of its own. Run as root in this folder, with the captures to make again: "./record.sh dns tls".
#
# Needs tcpdump, python3, curl, nginx, unbound, bind9-dnsutils, redis-server, memcached, postgresql-15, openssl,
# gnutls-bin, mosquitto, mosquitto-clients, snmpd and snmp.
set -u
export PATH=$PATH:/usr/sbin
work=$(mktemp -d)
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT

# begin CAPTURE FILTER DAEMON...: starts both and waits until they listen.
begin() {
	capture=$1
	tcpdump -q --immediate-mode -i lo -s 65535 -U -w "$work/$1.pcap" "$2" 2>/dev/null &
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
	gzip -9n <"$work/$capture.pcap" >"$capture.pcap.gz"
}

http() {
	mkdir "$work/www" "$work/www/img" "$work/tmp"
	for i in $(seq 20); do head -c $((i * 37)) /dev/urandom | base64 >"$work/www/page$i.html"; done
	for i in $(seq 5); do head -c $((i * 211)) /dev/urandom >"$work/www/img/i$i.png"; done
	cat >"$work/nginx.conf" <<-C
		daemon off; master_process off; pid $work/pid; error_log /dev/null;
		events {}
		http {
			access_log off; client_body_temp_path $work/tmp; types { text/html html; image/png png; }
			server {
				listen 127.0.0.1:80; root $work/www;
				location /old { return 301 /page1.html; }
				location /api { add_header X-Request \$request_id; default_type application/json; return 200 '{"ok":true,"id":"\$request_id"}'; }
			}
		}
	C
	begin http 'port 80' nginx -c "$work/nginx.conf"
	python3 - <<-'P'
		import random, subprocess
		random.seed(1)
		agents = ["curl/7.88.1", "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0", "Wget/1.21.3", "probe/2"]
		for i in range(45):
		    a = ["curl", "-s", "-o", "/dev/null", "-A", random.choice(agents)]
		    if random.random() < .4: a += ["-H", "Accept-Language: " + random.choice(["en", "de-DE,de;q=0.9", "fr"])]
		    if random.random() < .4: a += ["-b", "session=%x; theme=%s" % (random.getrandbits(64), random.choice(["dark", "light"]))]
		    if random.random() < .3: a += ["-e", "http://localhost/page%d.html" % random.randint(1, 20)]
		    if random.random() < .3: a += ["--compressed"]
		    if random.random() < .2: a += ["-u", "user%d:secret" % random.randint(1, 9)]
		    urls = []
		    for _ in range(random.randint(1, 5)):
		        urls.append("http://127.0.0.1/" + random.choice(["page%d.html" % random.randint(1, 25), "img/i%d.png" % random.randint(1, 5),
		            "old", "api/items?id=%d&sort=%s" % (random.randint(1, 9999), random.choice(["name", "date"]))]))
		    if random.random() < .3:
		        urls = ["http://127.0.0.1/api/items"]
		        a += random.choice([["-d", "name=%s&count=%d" % (random.choice(["ann", "bob"]), random.randint(1, 500))],
		            ["-H", "Content-Type: application/json", "-d", '{"n":%d,"tag":"%s"}' % (random.randint(1, 10**6), random.choice("abc") * 5)],
		            ["-X", "DELETE"], ["-I"]])
		    subprocess.run(a + urls, stdout=subprocess.DEVNULL)
	P
	end
}

dns() {
	cat >"$work/unbound.conf" <<-C
		server:
		  interface: 127.0.0.1
		  do-daemonize: no
		  chroot: ""
		  username: ""
		  pidfile: "$work/pid"
		  use-syslog: no
		  directory: "$work"
		  minimal-responses: no
		  local-zone: "example." static
		  local-data: "example. 3600 IN SOA ns.example. admin.example. 1 3600 900 86400 300"
		  local-data: "example. 3600 IN NS ns.example."
		  local-data: "example. 600 IN MX 10 mail.example."
		  local-data: "example. 600 IN MX 20 backup.mail.example."
		  local-data: 'example. 300 IN TXT "v=spf1 mx -all"'
		  local-data: "_ldap._tcp.example. 300 IN SRV 0 5 389 dir.example."
	C
	for i in $(seq 30); do
		echo "  local-data: \"host$i.example. $((i * 60)) IN A 192.0.2.$i\"" >>"$work/unbound.conf"
		echo "  local-data: \"host$i.example. $((i * 60)) IN AAAA 2001:db8::$i\"" >>"$work/unbound.conf"
		echo "  local-data: \"www$i.dept.example. 120 IN CNAME host$i.example.\"" >>"$work/unbound.conf"
	done
	begin dns 'port 53' unbound -c "$work/unbound.conf"
	python3 - >"$work/asked" <<-'P'
		import random
		random.seed(2)
		for _ in range(220):
		    n = random.randint(1, 34)
		    print(random.choice(["host%d.example A", "host%d.example AAAA", "www%d.dept.example A", "none%d.example A", "example MX", "example TXT",
		        "example SOA", "example NS", "_ldap._tcp.example SRV", "host%d.example ANY"]).replace("%d", str(n)),
		        random.choice(["", "+noedns", "+dnssec", "+norec +noedns", "+nocookie"]))
	P
	dig @127.0.0.1 +tries=1 +time=1 -f "$work/asked" >/dev/null
	end
}

# talk PORT: sends what its input, lines of hexadecimal digits, says, and waits for what comes back. An empty line
# begins a new connection.
talk() {
	python3 -c '
import socket, sys
s = None
for line in sys.stdin:
    if line == "\n" or not s:
        if s: s.close()
        s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        s.settimeout(0.5)
    if line == "\n": continue
    s.sendall(bytes.fromhex(line))
    try: s.recv(65536)
    except TimeoutError: pass
' "$1"
}

redis() {
	begin redis 'port 6379' redis-server --save ''
	python3 - <<-'P' | talk 6379
		import random
		random.seed(3)
		def cmd(*a):
		    a = [str(x).encode() for x in a]
		    return b"*%d\r\n" % len(a) + b"".join(b"$%d\r\n%s\r\n" % (len(x), x) for x in a)
		def word(n): return "".join(random.choice("abcdefghij klmnop,:-") for _ in range(random.randint(1, n)))
		key = lambda: "%s:%d" % (random.choice(["user", "cart", "session"]), random.randint(1, 40))
		for i in range(330):
		    k = key()
		    c = random.choice([("SET", k, word(60)), ("GET", k), ("SETEX", k, random.randint(10, 9999), word(20)), ("DEL", k), ("INCR", "n:" + k),
		        ("HSET", "h:" + k, word(8), word(30), "age", random.randint(1, 99)), ("HGETALL", "h:" + k), ("LPUSH", "l:" + k, word(12), word(12)),
		        ("LRANGE", "l:" + k, 0, -1), ("EXPIRE", k, 100), ("TTL", k), ("EXISTS", k, key()), ("ZADD", "z:" + k, random.random(), word(6)),
		        ("ZRANGE", "z:" + k, 0, 5, "WITHSCORES"), ("PING",), ("TYPE", k), ("INCR", "h:" + k)])
		    out = cmd(*c)
		    if random.random() < .1: out += cmd("GET", key()) + cmd("PING")
		    if i % 30 == 0: print()
		    print(out.hex())
	P
	end
}

memcached() {
	begin memcached 'port 11211' /usr/bin/memcached -u nobody -U 0 -B binary
	python3 - <<-'P' | talk 11211
		import random, struct
		random.seed(4)
		def req(op, key=b"", value=b"", extras=b"", cas=0):
		    return struct.pack(">BBHBBHIIQ", 0x80, op, len(key), len(extras), 0, 0, len(key)+len(value)+len(extras), random.getrandbits(32), cas)+extras+key+value
		def value(): return bytes(random.choice([random.randrange(256), random.randrange(97, 122)]) for _ in range(random.randint(1, 80)))
		for i in range(300):
		    k = b"%s/%d" % (random.choice([b"page", b"frag", b"user", b"tmp"]), random.randint(1, 60))
		    c = random.choice([req(1, k, value(), struct.pack(">II", random.choice([0, 1, 32]), random.choice([0, 3600]))), req(0, k), req(0, k), req(0x0c, k),
		        req(4, k), req(2, k, value(), struct.pack(">II", 0, 60)), req(5, b"n/" + k, extras=struct.pack(">QQI", random.randint(1, 9), 10, 0)),
		        req(6, b"n/" + k, extras=struct.pack(">QQI", 1, 0, 0)), req(0x0e, k, b"tail"), req(0x0b), req(0x0a), req(0x1c, k, extras=struct.pack(">I", 600))])
		    if i % 30 == 0: print()
		    print(c.hex())
	P
	end
}

postgres() {
	bin=/usr/lib/postgresql/15/bin data=$work/data
	install -d -o postgres "$data"
	(cd "$work" && su postgres -c "$bin/initdb -A trust -D $data" >/dev/null)
	begin postgres 'port 5432' su postgres -c "cd / && exec $bin/postgres -D $data -k $data -h 127.0.0.1 -F"
	export PGHOST=127.0.0.1 PGUSER=postgres PGSSLMODE=disable PGDATABASE=postgres
	python3 - >"$work/sql" <<-'P'
		import random
		random.seed(5)
		print("create table people(id serial primary key, name text not null, born date, score real);")
		for i in range(150):
		    n = random.randint(1, 90)
		    print(random.choice(["insert into people(name, born, score) values ('%s', '19%02d-03-07', %.2f);" % (random.choice(["ann", "bartholomew", "cy"]) * random.randint(1, 3), n, random.random() * 100),
		        "insert into people(name) values ('p%d') returning id;" % n, "select * from people where id = %d;" % n, "select name, score from people order by id limit %d;" % (n % 7),
		        "update people set score = score + 1 where id < %d;" % n, "delete from people where id = %d;" % n, "select count(*), avg(score) from people;",
		        "select %d / 0;" % n, "insert into people(id, name) values (1, null);", "begin;", "commit;", "select now(), version();", "show work_mem;",
		        "select nothing from people;", "\\connect"]))
	P
	psql -X -q -f "$work/sql" >/dev/null 2>&1
	cat >"$work/bench" <<-'X'
		\set n random(1, 90)
		select id, name, born from people where id = :n;
		update people set score = :n where id = :n;
	X
	$bin/pgbench -n -M prepared -t 25 -f "$work/bench" >/dev/null 2>&1
	end
}

tls() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/key" -out "$work/cert" -subj "/CN=$(hostname)" 2>/dev/null
	begin tls 'port 4433' openssl s_server -accept 127.0.0.1:4433 -key "$work/key" -cert "$work/cert" -WWW -alpn http/1.1
	python3 - <<-'P'
		import random, subprocess
		random.seed(6)
		def run(*a): subprocess.run(a, input=b"GET / HTTP/1.0\r\n\r\n", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=4)
		for i in range(70):
		    name = "%s%d.example.org" % (random.choice(["www", "mail", "a.b.shop"]), random.randint(1, 500))
		    pick = random.random()
		    if pick < .3: run("curl", "-sk", "--resolve", name + ":4433:127.0.0.1", "https://" + name + ":4433/", *random.choice([[], ["--tls-max", "1.2"], ["--http1.1"]]))
		    elif pick < .5: run("gnutls-cli", "--insecure", "-p", "4433", "--sni-hostname", name, "--priority", random.choice(["NORMAL", "NORMAL:-VERS-TLS1.3", "SECURE256"]), "127.0.0.1")
		    else: run("openssl", "s_client", "-connect", "127.0.0.1:4433", "-ign_eof", *random.choice([["-servername", name], ["-noservername"]]),
		        *random.choice([[], ["-tls1_2"], ["-tls1_3"], ["-tls1_2", "-cipher", "ECDHE+AESGCM"], ["-tls1_3", "-curves", "P-256:X25519"], ["-alpn", "h2,http/1.1"], ["-status"]]))
	P
	end
}

mqtt() {
	printf 'listener 1883 127.0.0.1\nallow_anonymous true\n' >"$work/mosquitto.conf"
	begin mqtt 'port 1883' mosquitto -c "$work/mosquitto.conf"
	mosquitto_sub -i watcher -t '#' -q 1 >/dev/null & watcher=$!
	python3 - <<-'P'
		import random, subprocess
		random.seed(7)
		for i in range(60):
		    a = ["mosquitto_pub", "-i", "sensor%d" % random.randint(1, 300), "-q", str(random.randint(0, 2))]
		    a += ["-t", "/".join(random.choice(["house", "garden", "lab"]) for _ in range(random.randint(1, 3))) + "/t%d" % random.randint(1, 20)]
		    if random.random() < .3: a += ["-u", "user%d" % random.randint(1, 9), "-P", "pw" * random.randint(1, 5)]
		    if random.random() < .2: a += ["--will-topic", "gone/%d" % i, "--will-payload", "bye"]
		    if random.random() < .2: a += ["-k", str(random.randint(5, 600))]
		    lines = "".join(random.choice(["%.1f\n" % (random.random() * 40), '{"on":%d}\n' % random.randint(0, 1), "alarm " * random.randint(1, 9) + "\n"]) for _ in range(random.randint(1, 4)))
		    subprocess.run(a + ["-l"], input=lines.encode())
	P
	kill $watcher
	end
}

snmp() {
	printf 'agentaddress udp:127.0.0.1:161\nrocommunity public\nrwcommunity private\nrocommunity monitoring\nsysLocation here\n' >"$work/snmpd.conf"
	export SNMP_PERSISTENT_DIR=$work MIBS=
	begin snmp 'port 161' snmpd -f -C -c "$work/snmpd.conf"
	python3 - <<-'P'
		import random, subprocess
		random.seed(8)
		oids = ["1.1.0", "1.2.0", "1.3.0", "1.4.0", "1.5.0", "1.6.0", "1.7.0", "2.1.0", "2.2.1.2.1", "2.2.1.3.1", "2.2.1.4.1", "2.2.1.5.1", "2.2.1.10.1", "2.2.1.16.1",
		    "4.1.0", "4.2.0", "4.3.0", "5.1.0", "6.1.0", "6.5.0", "7.1.0", "11.1.0", "25.1.1.0", "25.1.2.0", "31.1.1.1.6.1", "99.1.0"]
		for i in range(150):
		    some = [".1.3.6.1.2.1." + random.choice(oids) for _ in range(random.randint(1, 5))]
		    community, version = random.choice(["public", "monitoring", "private"]), random.choice(["-v1", "-v2c"])
		    a = random.choice([["snmpget", version, "-c", community], ["snmpgetnext", version, "-c", community], ["snmpbulkget", "-v2c", "-Cr%d" % random.randint(1, 6), "-c", community]])
		    if random.random() < .15: a, some = ["snmpset", version, "-c", "private"], [".1.3.6.1.2.1.1.%d.0" % random.randint(4, 6), "s", "x" * random.randint(1, 30)]
		    subprocess.run(a + ["-t", "1", "-r", "0", "127.0.0.1"] + some, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
	P
	end
}

if [ -z "${INSIDE:-}" ]; then
	for name in "$@"; do
		INSIDE=1 unshare -n "$0" "$name"
	done
	exit
fi
ip link set lo up
$1
