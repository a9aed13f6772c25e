# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmark programs, in turn, and keeps what they answer."""

import os
import subprocess
import sys
from dataclasses import dataclass, field

import names
import stats


class Failure(Exception):
    """A program of the benchmark did not do what it is made for."""


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

    @property
    def name(self):
        return f"{self.workload}/{self.impl}"

    def median(self):
        return stats.median(self.samples.values())

    def quartiles(self):
        return stats.quartiles(self.samples.values())


def ask(program, *args):
    """The one line, or the lines, that a benchmark program answers."""
    done = subprocess.run([program, *args], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"{' '.join([program, *args])}: ended with {done.returncode}")
    return done.stdout.strip()


def find_rows(directory):
    """All rows of all programs that were built, and what was not built."""
    rows, missing = [], []
    for name, needs in names.PROGRAMS.items():
        program = os.path.join(directory, name)
        if not os.access(program, os.X_OK):
            missing.append((name, needs))
            continue
        for line in ask(program, "list").split("\n"):
            rows.append(Row(program, *line.split("/")))
    order = list(names.WORKLOADS), list(names.IMPLEMENTATIONS)
    rows.sort(key=lambda r: (order[0].index(r.workload), order[1].index(r.impl)))
    return rows, missing


def take(row, what, *args):
    """One answer: the value, or None when the row is skipped."""
    answer = ask(row.program, what, row.name, *args)
    if answer.startswith("skip "):
        row.skipped = answer[5:]
        return None
    pairs = dict(pair.split("=") for pair in answer.split())
    value = float(pairs.pop("value"))
    unit = pairs.pop("unit")
    if what == "time":
        row.unit = unit
        row.notes = pairs
    return value


def measure(rows, rounds, milliseconds, cos, progress):
    """
    Round by round, and in a round workload by workload, so that what is
    compared ran in the same few milliseconds.  Each round begins with another
    row, because what runs before may warm or cool the machine.
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
                value = take(row, "time", str(milliseconds), str(cos))
                if value is not None:
                    row.samples[number] = value


def count(rows, progress):
    """Instructions of one operation; exact, so once is enough."""
    for row in rows:
        if row.skipped or row.unit != "ns" or row.impl == "pthread":
            continue
        progress(f"instructions: {row.name}")
        answer = ask(row.program, "count", row.name)
        if answer.startswith("skip "):
            raise Failure(f"--instructions: {answer[5:]}")
        row.instructions = float(answer.split()[0].split("=")[1])


def ratio(row, rows):
    """What the row takes in relation to the reference; None without one."""
    for ref in rows:
        if ref.workload == row.workload and ref.impl == names.REFERENCE:
            return stats.ratio(row.samples, ref.samples)
    return None


def reporter():
    """Prints progress on stderr: in one line on a terminal, else per round."""
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
