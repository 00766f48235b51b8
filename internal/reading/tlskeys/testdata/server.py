# What server.go is, over OpenSSL: address, certificate, key, version (772 is 1.3), megabytes of ballast, and
# whether that is random.
import os, socket, ssl, sys

address, certificate, key, version, megabytes = sys.argv[1:6]
n = int(megabytes) << 20
if len(sys.argv) > 6:
    ballast = bytearray(os.urandom(n))
else:
    ballast = bytearray()
    i = 0
    while len(ballast) < n:
        ballast += b"key=%08d;value=%x;owner=user%d@example.net;ttl=3600\0\0\0\0" % (i, i * 2654435761, i % 977)
        i += 1
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
context.minimum_version = context.maximum_version = ssl.TLSVersion(int(version))
host, port = address.rsplit(":", 1)
listener = socket.create_server((host, int(port)), backlog=300)
kept = []
while True:
    conn, _ = listener.accept()
    try:
        conn = context.wrap_socket(conn, server_side=True)
        conn.send(b"you said: " + conn.recv(1000))
        kept.append(conn)
    except (ssl.SSLError, OSError):
        pass
