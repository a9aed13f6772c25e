# SPDX-License-Identifier: Apache-2.0
"""The servers that are compared, and how each is started."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Server:
    """One program, or one way to use it."""

    name: str
    title: str
    program: str
    needs: str
    rows: tuple = ("hello",)
    kind: str = None  # of stacks, or timers
    most: int = None  # connections

    def path(self, directory):
        return os.path.join(directory, self.program)


ALL = (
    Server("raw", "raw epoll callbacks", "serve-raw", "nothing"),
    Server("aco-shared", "libaco-io, shared", "serve-aco", "libaco-io",
           ("hello", "sleepers", "channel", "fairness"), "shared"),
    Server("aco-own", "libaco-io, own", "serve-aco", "libaco-io",
           ("hello", "sleepers", "channel", "fairness"), "own"),
    Server("aco-libev", "the same in libev", "serve-aco-libev", "libev-dev", kind="own"),
    Server("libev", "libev callbacks", "serve-ev", "libev-dev"),
    Server("libuv", "libuv callbacks", "serve-uv", "libuv1-dev", ("hello", "fairness")),
    Server("libuv-timers", "the same with timers", "serve-uv", "libuv1-dev", kind="timers"),
    Server("st", "State Threads", "serve-st", "libst-dev", ("hello", "sleepers", "fairness"),
           "own"),
    Server("nginx", "nginx, return 200", "serve-nginx", "nginx"),
    Server("go", "Go, net/http", "serve-go", "golang-go",
           ("hello", "sleepers", "channel", "fairness")),
    Server("threads", "a thread for each", "serve-threads", "nothing", most=1000),
)

# Ratios are to the first of these that was measured.
REFERENCE = {"hello": "raw", "sleepers": "go", "channel": "go", "fairness": "libuv"}

ROWS = {
    "hello": "CPU time of the server for a request on a connection that stays, us",
    "sleepers": "CPU time of a sleep, us",
    "channel": "CPU time of a handover by a channel, ns",
    "fairness": "CPU time of an echo server until it answers a byte beside a greedy stream,\n"
                "99th percentile, ms",
}


def names():
    return [server.name for server in ALL]


def find(directory, wanted):
    """Those that are wanted and built, and the others with what they need."""
    chosen = [s for s in ALL if not wanted or s.name in wanted]
    here = [s for s in chosen if os.access(s.path(directory), os.X_OK)]
    return here, [s for s in chosen if s not in here]
