# SPDX-License-Identifier: Apache-2.0
"""Runs bench/io/load for each server in turn, and keeps what it answers."""

import os
import subprocess
from dataclasses import dataclass, field


class Failure(Exception):
    """A server did not do what it is made for."""


@dataclass
class Figure:
    """What was measured of one server, in one column of a row."""

    row: str
    server: object
    count: int  # connections, tasks, ...
    samples: list = field(default_factory=list)


class Bench:
    """Where the programs are, and what is measured."""

    def __init__(self, opts, scratch, progress):
        self.opts = opts
        self.scratch = scratch
        self.progress = progress
        self.figures = {}

    def keep(self, row, server, count, value):
        key = row, server.name, count
        self.figures.setdefault(key, Figure(row, server, count)).samples.append(value)

    def load(self, server, what, numbers, arguments):
        """The numbers that load answers."""
        cpu = str(self.opts.pin)
        command = [os.path.join(self.opts.programs, "load"), what, cpu, cpu]
        command += [str(number) for number in numbers]
        if server.name == "nginx":
            command.append("binds")
            arguments = [self.scratch, self.opts.nginx, str(numbers[0])]
        command += [server.path(self.opts.programs), *arguments]
        if server.kind:
            command.append(server.kind)
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"{server.title}, {what}: {done.stderr.strip() or 'no message'}")
        return {key: float(value)
                for key, value in (pair.split("=") for pair in done.stdout.split())}

    def hello(self, server):
        for count in self.opts.connections:
            if server.most and count > server.most:
                continue
            rounds = max(3, self.opts.requests // count)
            answer = self.load(server, "hello", (count, rounds), ["hello"])
            self.keep("hello", server, count, answer["ns"] / 1e3)
            if count == max(self.opts.connections) and count > 1:
                self.keep("idle", server, count, answer["idle"])

    def sleepers(self, server):
        """What is made once, and the program itself, are in all runs."""
        # Each stack takes a page at least.
        count = max(1, self.opts.sleepers // (10 if server.kind == "own" else 1))
        none, once, more = (
            self.load(server, "run", (), ["sleepers", str(n), str(rounds)])
            for n, rounds in ((1, 1), (count, 1), (count, 3)))
        self.keep("sleepers", server, count, (more["ns"] - once["ns"]) / 2 / count / 1e3)
        self.keep("memory", server, count, (more["bytes"] - none["bytes"]) / count)

    def channel(self, server):
        # Two at least: what one way there and back takes is in both runs.
        count = max(2, self.opts.handovers // 2)
        none, all_ = (self.load(server, "run", (), ["channel", str(n)]) for n in (1, count))
        self.keep("channel", server, 2 * count, (all_["ns"] - none["ns"]) / 2 / (count - 1))

    def fairness(self, server):
        answer = self.load(server, "fairness", (self.opts.pings,), ["echo"])
        self.keep("fairness", server, self.opts.pings, answer["ns"] / 1e6)

    def run(self, rows, servers):
        """
        Segment by segment: all servers of a row within a short time.  Each segment
        begins with another server, as one may warm or cool the machine for the next.
        """
        for number in range(self.opts.segments):
            for row in rows:
                able = [s for s in servers if row in s.rows]
                at = number % len(able) if able else 0
                for server in able[at:] + able[:at]:
                    self.progress(f"segment {number + 1} of {self.opts.segments}: "
                                  f"{row}, {server.title}")
                    getattr(self, row)(server)
