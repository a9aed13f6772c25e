# SPDX-License-Identifier: Apache-2.0
"""aco-io-bench: measures libaco-io beside its peers, in one interleaved run."""

import argparse
import os
import resource
import signal
import sys
import tempfile

# Statistics, and what the machine is, as in the other benchmark.
sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))), "driver"))

# pylint: disable=wrong-import-position
import measure
import report
import result
import sample
import servers

ROWS = ("hello", "sleepers", "channel", "fairness")


def positive(text):
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def some_of(known):
    def parse(text):
        found = text.split(",")
        for name in found:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(known)}")
        return found
    return parse


def numbers(text):
    return sorted({positive(word) for word in text.split(",")})


def processor(text):
    value = int(text)
    if value not in os.sched_getaffinity(0):
        raise argparse.ArgumentTypeError(f"processor {value} is not available")
    return value


def options():
    parser = argparse.ArgumentParser(
        prog="aco-io-bench",
        description="Measures the CPU time and the memory of servers on libaco-io beside "
        "others.  A server and its client run on one processor: the client sends one request "
        "on each connection, and then reads all answers.  What counts is the CPU time of the "
        "server, by its own clock.  Each figure is the best of its segments, in which all "
        "servers take turns; so it changes little when the machine has other work.  A '?' "
        "behind a figure tells that it is not good: the first quartile of its samples is "
        "more than --spread percent above the best.",
    )
    add = parser.add_argument
    add("rows", metavar="ROW", nargs="+", choices=(*ROWS, "all"),
        help=f"what to measure: {', '.join(ROWS)}, or all")
    add("--servers", metavar="NAME,...", type=some_of(servers.names()),
        help=f"only these: {', '.join(servers.names())}")
    add("--connections", metavar="N,...", type=numbers, default=[1, 100, 1000, 10000],
        help="of hello (default 1,100,1000,10000)")
    add("--segments", metavar="N", type=positive, default=12,
        help="samples of each figure (default 12)")
    add("--requests", metavar="N", type=positive, default=20000,
        help="of hello, in a segment (default 20000)")
    add("--sleepers", metavar="N", type=positive, default=1000000,
        help="tasks that sleep; with stacks of their own a tenth (default 1000000)")
    add("--handovers", metavar="N", type=positive, default=1000000,
        help="of channel, in a segment (default 1000000)")
    add("--pings", metavar="N", type=positive, default=200,
        help="of fairness, in a segment (default 200)")
    add("--spread", metavar="PERCENT", type=positive, default=5,
        help="the largest good spread (default 5)")
    add("--pin", metavar="CPU", type=processor, default=max(os.sched_getaffinity(0)),
        help="run on this processor (default: the last one)")
    add("--format", choices=result.FORMATS, default="text")
    add("--programs", metavar="DIR", default=os.curdir, help=argparse.SUPPRESS)
    add("--nginx", metavar="PATH", default="no", help=argparse.SUPPRESS)
    return parser.parse_args()


def limit_connections(opts):
    """Each is a descriptor, in the server and in its client, and a port of the client's."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = 1 << 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
        low, high = map(int, f.read().split())
    most = min(hard, high - low) - 100
    if most < 1:
        raise measure.Failure(f"{hard} descriptors are too few (ulimit -n)")
    if max(opts.connections) <= most:
        return []
    opts.connections = numbers(",".join(str(min(n, most)) for n in opts.connections))
    return [f"{most:,} connections at most: open files (ulimit -n) or ports do not allow more"]


def find_servers(opts):
    here, missing = servers.find(opts.programs, opts.servers)
    if opts.nginx == "no":
        missing += [s for s in here if s.name == "nginx"]
        here = [s for s in here if s.name != "nginx"]
    if not here:
        raise measure.Failure("no server is left to measure")
    return here, missing


def run(opts):
    rows = ROWS if "all" in opts.rows else [row for row in ROWS if row in opts.rows]
    notes = limit_connections(opts)
    here, missing = find_servers(opts)
    progress = sample.reporter()
    load_before = report.load()
    with tempfile.TemporaryDirectory(prefix="aco-io-bench.") as scratch:
        bench = measure.Bench(opts, scratch, progress)
        bench.run(rows, here)
    progress("\n" if sys.stderr.isatty() else "done")
    if not bench.figures:
        raise measure.Failure("none of these servers has such a row")
    about = result.machine(opts, load_before)
    result.FORMATS[opts.format](bench.figures, here, missing, opts, about, notes)


def main():
    opts = options()
    # As by Ctrl-C: the temporary directory goes, and so do servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        run(opts)
    except (measure.Failure, OSError) as error:
        sys.exit(f"aco-io-bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


main()
