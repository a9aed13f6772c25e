# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmark programs, in turn, and keeps what they answer."""

import os
import subprocess
import sys
from dataclasses import dataclass, field

import names
import stats


# The exit status of programs whose shared libraries the loader does not find,
# as those of a cross compiler often are.
CANNOT_START = 127


class Failure(Exception):
    """A program of the benchmark did not do what it is made for."""


class CannotStart(Failure):
    """The loader refused a program of the benchmark."""


class Skip(Exception):
    """A program can't measure a row here, and says why."""


@dataclass
class Row:
    """One workload by one implementation."""

    program: str
    workload: str
    impl: str
    unit: str = "ns"
    samples: dict = field(default_factory=dict)  # of each round that has one
    instructions: float = None
    notes: dict = field(default_factory=dict)
    skipped: str = None
    clock: str = None  # that has measured a time: wall, thread or process

    @property
    def name(self):
        return f"{self.workload}/{self.impl}"

    def median(self):
        return stats.median(self.samples.values())

    def quartiles(self):
        return stats.quartiles(self.samples.values())

    def spread(self):
        return stats.spread(self.samples.values())

    def is_good(self, limit):
        return stats.is_good(self.samples.values(), limit)


def ask(program, *args):
    """The one line, or the lines, that a benchmark program answers."""
    done = subprocess.run([program, *args], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == CANNOT_START:
        raise CannotStart(f"{program}: can't be started")
    if done.returncode != 0:
        raise Failure(f"{' '.join([program, *args])}: ended with {done.returncode}")
    return done.stdout.strip()


def find_rows(directory):
    """All rows of all programs that run here, and which programs are missing."""
    rows, missing = [], []
    for name, needs in names.PROGRAMS.items():
        program = os.path.join(directory, name)
        if not os.access(program, os.X_OK):
            missing.append((name, needs))
            continue
        try:
            listed = ask(program, "list").split("\n")
        except CannotStart:
            missing.append((name, "shared libraries that are not found here"))
            continue
        rows += [Row(program, *line.split("/")) for line in listed]
    order = list(names.WORKLOADS), list(names.IMPLEMENTATIONS)
    rows.sort(key=lambda r: (order[0].index(r.workload), order[1].index(r.impl)))
    return rows, missing


def parse(answer):
    """The value, the unit and the notes."""
    if answer.startswith("skip "):
        raise Skip(answer[5:])
    pairs = dict(pair.split("=") for pair in answer.split())
    return float(pairs.pop("value")), pairs.pop("unit"), pairs


def take(row, milliseconds, cos, clock):
    """One sample, or None where the row is skipped."""
    answer = ask(row.program, "time", row.name, str(milliseconds), str(cos), clock)
    try:
        value, row.unit, row.notes = parse(answer)
        row.clock = row.notes.pop("clock", None)
    except Skip as reason:
        row.skipped = str(reason)
        return None
    return value


def measure(rows, rounds, milliseconds, cos, clock, progress):
    """
    Measures round by round, and in a round workload by workload, so that rows
    that are compared run in the same few milliseconds.  Each round begins with
    another row, because a row may warm or cool the machine for the next one.
    """
    groups = {}
    for row in rows:
        groups.setdefault(row.workload, []).append(row)
    for number in range(rounds):
        for workload, group in groups.items():
            progress(f"round {number + 1} of {rounds}: {workload}")
            at = number % len(group)
            for row in group[at:] + group[:at]:
                if row.skipped:
                    continue
                value = take(row, milliseconds, cos, clock)
                if value is not None:
                    row.samples[number] = value


def count(rows, cos, progress):
    """
    Instructions of one operation; they are exact, so one run is enough.  Some
    rows have nothing to count; it is a failure when none could be counted.
    """
    skip = None
    for row in rows:
        if row.skipped or row.unit != "ns" or row.impl in names.NOT_COUNTED:
            continue
        progress(f"instructions: {row.name}")
        answer = ask(row.program, "count", row.name, str(cos))
        try:
            row.instructions, _, _ = parse(answer)
        except Skip as reason:
            skip = reason
    if skip and all(row.instructions is None for row in rows):
        raise Failure(f"--instructions: {skip}")


def ratios(row, rows):
    """What the row takes in relation to the reference, of each round with both."""
    for ref in rows:
        if ref.workload == row.workload and ref.impl == names.REFERENCE:
            return stats.ratios(row.samples, ref.samples)
    return []


def reporter():
    """How progress is told: in one line of a terminal, elsewhere a line a round."""
    last = [""]

    def terminal(text):
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()

    def file(text):
        head = text.split(":")[0]
        if head != last[0]:
            last[0] = head
            sys.stderr.write(head + "\n")
            sys.stderr.flush()

    return terminal if sys.stderr.isatty() else file
