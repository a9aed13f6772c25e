# SPDX-License-Identifier: Apache-2.0
"""Plays the peers of the example servers that need more than curl can do.

io-client.py echo PORT N   N connections at once, each sends, ends its direction,
                           and gets all of it back
io-client.py hold PORT     says when a connection works; waits for the server's end
io-client.py tls PORT CA   sends a long body by TLS, and then reads the answer; a few times
io-client.py end PORT      the server ends the connection, to which nothing was sent
io-client.py count         a server: tells each peer, after its end, how many bytes
io-client.py deaf          a server with no place for more connections
"""

import socket
import ssl
import sys
import threading

HOST = "127.0.0.1"


def connect(port):
    return socket.create_connection((HOST, port), timeout=60)


def receive_all(connection):
    parts = []
    while True:
        part = connection.recv(65536)
        if not part:
            return b"".join(parts)
        parts.append(part)


def one_echo(port, data, all_connected, failed):
    try:
        with connect(port) as connection:
            # So that the server has all of them at a time.
            all_connected.wait()

            def send():
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)

            sender = threading.Thread(target=send)
            sender.start()
            if receive_all(connection) != data:
                failed.append("other bytes came back")
            sender.join()
    except (OSError, threading.BrokenBarrierError) as error:
        all_connected.abort()
        failed.append(str(error))


def echo(port, count):
    failed = []
    threads = []
    all_connected = threading.Barrier(int(count))
    for i in range(int(count)):
        data = bytes(j * (i + 7) % 251 for j in range(1000)) * (i % 7 * 100 + 1)
        args = (int(port), data, all_connected, failed)
        threads.append(threading.Thread(target=one_echo, args=args))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.exit("\n".join(failed[:3]) or 0)


def hold(port):
    with connect(int(port)) as connection:
        connection.sendall(b"x")
        if connection.recv(1) != b"x":
            sys.exit("no echo")
        print("ready", flush=True)
        if connection.recv(1):
            sys.exit("there are more bytes")


def tls(port, ca):
    context = ssl.create_default_context(cafile=ca)
    body = bytes(300000)
    request = b"POST / HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body)
    for _ in range(10):
        with context.wrap_socket(connect(port), server_hostname=HOST) as connection:
            connection.sendall(request + body)
            if b"Hello" not in receive_all(connection):
                sys.exit("no answer")


def end(port):
    with connect(int(port)) as connection:
        if connection.recv(1):
            sys.exit("there are bytes")


def listen(backlog):
    server = socket.socket()
    server.bind((HOST, 0))
    server.listen(backlog)
    return server, server.getsockname()


def count():
    server, address = listen(100)
    print(address[1], flush=True)
    while True:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"%d\n" % len(receive_all(connection)))


def deaf():
    _server, address = listen(0)
    sockets = []
    for _ in range(8):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(address)
        sockets.append(client)
    print(address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
