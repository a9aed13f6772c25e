# SPDX-License-Identifier: Apache-2.0
"""aco-bench: measures libaco beside its peers, in one interleaved run."""

import argparse
import os
import sys

import chart
import names
import overview
import report
import sample


def positive(text):
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def processor(text):
    value = int(text)
    if value not in os.sched_getaffinity(0):
        raise argparse.ArgumentTypeError(f"processor {value} is not available")
    return value


def known_rows(pattern):
    if not names.implementations(pattern):
        raise argparse.ArgumentTypeError(f"no row is called {pattern}")
    return pattern


def options():
    parser = argparse.ArgumentParser(
        prog="aco-bench",
        description="Measures libaco beside its peers, in one interleaved run. "
        "Each value is the median over the rounds; '/ boost' is the median of the "
        "ratios to boost fcontext in the same round.  A '?' behind either tells that "
        "it is not good: the interquartile range of its samples is more than --spread "
        "percent of the median, or there are fewer than 3 samples.",
    )
    add = parser.add_argument
    add("--rows", metavar="PATTERN", type=known_rows, action="append",
        help="only the rows whose name WORKLOAD/IMPLEMENTATION, or WORKLOAD, matches this "
        "shell pattern (may be given more than once)")
    add("--list", action="store_true", help="print the names of the rows and end")
    add("--rounds", metavar="N", type=positive, help="samples of each row (default 15)")
    add("--ms", metavar="MS", type=positive, help="least length of a sample (default 10)")
    add("--quick", action="store_true", help="3 rounds of 2 ms, nothing with 100,000 cos")
    add("--cos", metavar="N", type=positive,
        help="cos of the memory rows, and the most of the rows with a growing number "
        "(default 100000, with --quick 10000; up to 10000000, which takes 4 GB, or 8 GB with the random-own rows)")
    add("--clock", choices=("wall", "cpu"), default="wall",
        help="what is measured: time on the wall (default), or CPU time of the thread, "
        "which other load of the machine changes less.  CPU time leaves out the time "
        "for which a thread sleeps; where a row has several threads, it is that of "
        "the process")
    add("--spread", metavar="PERCENT", type=positive, default=5,
        help="the largest good spread (default 5)")
    add("--instructions", action="store_true", help="also count instructions")
    add("--pin", metavar="CPU", type=processor, help="run on this processor only")
    add("--format", choices=report.FORMATS, default="text")
    add("--plot", metavar="FILE.svg", help="also draw the result (needs gnuplot)")
    add("--overview", metavar="FILE.svg",
        help="also draw a few bars of libaco and its peers.  Without --rows and --plot, "
        "only what is drawn is measured")
    add("--programs", metavar="DIR", default=os.curdir, help=argparse.SUPPRESS)
    return parser, parser.parse_args()


def is_wanted(row, opts):
    if opts.quick and row.workload == "turn-100000":
        return False
    if names.scale(row.workload) > opts.cos:
        return False
    if not opts.rows:
        return not opts.overview or opts.plot or row.name in overview.row_names()
    return any(names.matches(pattern, row.workload, row.impl) for pattern in opts.rows)


def check_rows(parser, patterns, rows, missing):
    """Refuses a pattern that no row matches, and tells which program lacks."""
    lacking = dict(missing)
    for pattern in patterns or ():
        if any(names.matches(pattern, row.workload, row.impl) for row in rows):
            continue
        programs = sorted({names.program(impl) for impl in names.implementations(pattern)})
        needs = [f"{name} needs {lacking[name]}" for name in programs if name in lacking]
        why = f"not here: {', '.join(needs)}" if needs else "no program has such a row"
        parser.error(f"{pattern}: {why}")


def run(parser, opts):
    rows, missing = sample.find_rows(opts.programs)
    check_rows(parser, opts.rows, rows, missing)
    rows = [row for row in rows if is_wanted(row, opts)]
    if not rows:
        parser.error("no row is left to measure")
    if opts.list:
        print("\n".join(row.name for row in rows))
        return
    if opts.plot:
        chart.check(opts.plot)
    if opts.overview:
        overview.check(opts.overview)
    if opts.pin is not None:
        os.sched_setaffinity(0, {opts.pin})
    progress = sample.reporter()
    load_before = report.load()
    rounds = opts.rounds or (3 if opts.quick else 15)
    ms = opts.ms or (2 if opts.quick else 10)
    sample.measure(rows, rounds, ms, opts.cos, opts.clock, progress)
    if opts.instructions:
        sample.count(rows, opts.cos, progress)
    progress("\n" if sys.stderr.isatty() else "done")
    about = report.machine(rows, opts.clock, load_before)
    report.FORMATS[opts.format](rows, missing, about, opts.spread / 100)
    if opts.plot:
        chart.draw(rows, opts.plot)
    if opts.overview:
        overview.draw(rows, opts.overview, about, opts.spread / 100)


def main():
    parser, opts = options()
    opts.cos = opts.cos or (10000 if opts.quick else 100000)
    try:
        run(parser, opts)
    except (sample.Failure, OSError) as error:
        sys.exit(f"aco-bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


main()
