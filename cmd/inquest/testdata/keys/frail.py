# A TLS server over OpenSSL that answers HTTP and keeps its connections, and that reads through null when it is asked for a
# path that begins with /die. Address, certificate and key, and the TLS version (771 is 1.2, 772 is 1.3).
import ctypes, socket, ssl, sys, threading

address, certificate, key, version = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
context.minimum_version = context.maximum_version = ssl.TLSVersion(int(version))


def serve(conn):
    conn = context.wrap_socket(conn, server_side=True)
    while request := conn.recv(4096):
        if request.split()[1].startswith(b"/die"):
            ctypes.string_at(0)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes")


host, port = address.rsplit(":", 1)
listener = socket.create_server((host, int(port)), backlog=300)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
