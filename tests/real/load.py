# SPDX-License-Identifier: Apache-2.0
"""Torments examples/httpd for some seconds, and looks whether it is as before.

load.py PID PORT ROOT SECONDS SEED

All at the same time: connections that are reset in the middle of requests and of
answers; requests many at a time, in odd pieces; clients that compare each file that
they get; wrk, h2load and curl, where they are installed, which are killed at random.
Then the server has to give each file, to have as many descriptors as at the start
and no connections, and not to have grown.
"""

import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

HOST = "127.0.0.1"
# KiB: of stacks that are kept, of the heap, and of tools
GROWTH = int(os.environ.get("ACO_REAL_GROWTH", 4 << 10))


class Load:
    def __init__(self, port, root, end, seed):
        self.port, self.end, self.seed = port, end, seed
        self.files = {}
        for name in sorted(os.listdir(root)):
            with open(os.path.join(root, name), "rb") as file:
                self.files[name] = file.read()
        self.counts = dict.fromkeys(("answers", "resets", "processes"), 0)
        self.lock = threading.Lock()
        self.failed = []

    def count(self, what):
        with self.lock:
            self.counts[what] += 1

    def connect(self):
        return socket.create_connection((HOST, self.port), timeout=60)

    def request(self, name, close=False):
        end = "Connection: close\r\n" if close else ""
        return f"GET /{name} HTTP/1.1\r\nHost: x\r\n{end}\r\n".encode()

    def check_answer(self, file, name):
        """Reads one answer from a file of a connection."""
        status = file.readline()
        length = None
        while (line := file.readline().strip()):
            key, _, value = line.partition(b":")
            if key.lower() == b"content-length":
                length = int(value)
        body = file.read(length or 0)
        if b" 200 " not in status or body != self.files[name]:
            raise ValueError(f"/{name}: {status!r}, {len(body)} bytes")
        self.count("answers")

    def check_files(self):
        for name in self.files:
            with self.connect() as connection, connection.makefile("rb") as file:
                connection.sendall(self.request(name, True))
                self.check_answer(file, name)
                if file.read(1):
                    raise ValueError(f"/{name}: bytes after the answer")

    # ---- what runs at the same time: each once, until the time is over ----

    def pipeline(self, dice):
        """Many requests at a time, in pieces of any size."""
        names = dice.choices(list(self.files), k=dice.randint(1, 20))
        data = b"".join(self.request(name) for name in names)
        with self.connect() as connection, connection.makefile("rb") as file:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data:
                n = dice.randint(1, 200)
                connection.sendall(data[:n])
                data = data[n:]
            for name in names:
                self.check_answer(file, name)

    def reset(self, dice):
        """Some connections that break off anywhere, with a RST."""
        connections = [self.connect() for _ in range(dice.randint(1, 20))]
        for connection in connections:
            names = dice.choices(list(self.files), k=dice.randint(1, 3))
            data = b"".join(self.request(name) for name in names)
            connection.sendall(data[:dice.randint(0, len(data))])
        dice.shuffle(connections)
        for connection in connections:
            if dice.random() < 0.5:
                connection.setblocking(False)
                try:
                    connection.recv(dice.randint(1, 100000))
                except BlockingIOError:
                    pass
            if dice.random() < 0.9:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                      struct.pack("ii", 1, 0))
            connection.close()
            self.count("resets")

    def kill(self, dice, command):
        """A client that is killed after some time; at the end by that."""
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            process.wait(dice.uniform(0.05, 1))
        except subprocess.TimeoutExpired:
            process.kill()
            self.count("processes")
        process.wait()

    def repeat(self, what, number, *arguments):
        dice = random.Random(self.seed * 100 + number)
        try:
            while time.monotonic() < self.end and not self.failed:
                what(dice, *arguments)
        except (OSError, ValueError) as error:
            self.failed.append(f"{what.__name__}: {error!r}")

    def run(self):
        url = f"http://{HOST}:{self.port}/"
        jobs = [(self.pipeline,), (self.pipeline,), (self.reset,), (self.reset,)]
        for command in (["wrk", "-c", "50", "-t", "1", "-d", "60", url + "small"],
                        ["wrk", "-c", "20", "-t", "1", "-d", "60", url + "large"],
                        ["h2load", "--h1", "-n", "1000000", "-c", "50", "-m", "8",
                         url + "middle"],
                        ["curl", "-s", "-o", "/dev/null", url + "large",
                         url + "small", url + "large"]):
            if shutil.which(command[0]):
                jobs.append((self.kill, command))
        threads = [threading.Thread(target=self.repeat, args=(job[0], i, *job[1:]))
                   for i, job in enumerate(jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.failed:
            raise ValueError("; ".join(self.failed))

    def status(self, pid):
        """Requests, connections, descriptors: while this connection is open, which
        is the only one when the others have ended."""
        with self.connect() as connection, connection.makefile("rb") as file:
            connection.sendall(self.request("status"))
            length = 0
            while (line := file.readline().strip()):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split()[1])
            words = file.read(length).split()
            return (int(words[words.index(b"requests") + 1]),
                    int(words[words.index(b"connections") + 1]),
                    len(os.listdir(f"/proc/{pid}/fd")))

    def settle(self, pid, descriptors=None):
        """The server sees the end of killed connections in its own time."""
        give_up = time.monotonic() + 60
        while True:
            _, connections, now = self.status(pid)
            if connections == 1 and now == (descriptors or now):
                return now
            if time.monotonic() > give_up:
                raise ValueError(f"connections {connections}, descriptors {now}, "
                                 f"at the start {descriptors}")
            time.sleep(0.05)


def memory(pid):
    """KiB; what is in status may lack some where there are many processors."""
    for name, key in (("smaps_rollup", "Rss:"), ("status", "VmRSS:")):
        try:
            with open(f"/proc/{pid}/{name}", encoding="ascii") as file:
                for line in file:
                    if line.startswith(key):
                        return int(line.split()[1])
        except OSError:
            pass
    return 0


def main():
    pid, port, seconds, seed = (int(sys.argv[i]) for i in (1, 2, 4, 5))
    start = time.monotonic()
    load = Load(port, sys.argv[3], start + seconds / 3, seed)
    try:
        load.check_files()
        descriptors = load.settle(pid)
        # after a third of the time it has reached its size
        load.run()
        load.settle(pid, descriptors)
        before = memory(pid)
        load.end = start + seconds
        load.seed += 1
        load.run()
        load.settle(pid, descriptors)
        load.check_files()
        after = memory(pid)
        requests = load.status(pid)[0]
    except (OSError, ValueError) as error:
        sys.exit(f"seed {seed}: {error}")
    if after > before + GROWTH:
        sys.exit(f"seed {seed}: it has grown from {before} to {after} KiB")
    print(f"requests {requests}, compared {load.counts['answers']}, "
          f"reset {load.counts['resets']}, killed {load.counts['processes']}, "
          f"KiB {before} and {after}, failures 0")


main()
