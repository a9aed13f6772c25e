# SPDX-License-Identifier: Apache-2.0
"""The result in one picture that is read in seconds: a few bars in three columns."""

import math
import os
from xml.sax.saxutils import escape

from sample import Failure

# Of several variants the fastest, or smallest, is drawn.
FIBER = ("boost-fcontext", "boost-fiber", "boost-fiber-pooled")
PEERS = (
    ("libaco", ("aco-shared",)),
    ("Boost.Context", FIBER),
    ("swapcontext", ("swapcontext",)),
    ("goroutine", ("go",)),
    ("thread", ("pthread",)),
)

# Columns: the title, the workload, and another workload of some labels.
COLUMNS = (
    ("switch there and back", "switch", {}),
    # the runtime of Go keeps stacks, and has no other way
    ("create, run, destroy", "create-new", {"goroutine": "create-reuse"}),
    ("memory of a sleeping task", "memory-own", {"libaco": "memory-given"}),
)

NOTES = (
    "Shorter is better. Each vertical line stands for ten times as much as the one before. "
    "Of each, the fastest variant.",
    "Memory: libaco's tasks share a stack, and their live bytes are kept while they sleep; "
    "the kernel's part is left out.",
)

WIDTH = 900
LABELS = 120  # width of the labels
COLUMN = (WIDTH - LABELS) // len(COLUMNS)
BARS = 160  # width of the longest bar; its number stands behind it
BAR, STEP, TOP = 22, 32, 48


def row_names():
    """All rows that may be drawn."""
    return [
        f"{others.get(label, workload)}/{impl}"
        for _, workload, others in COLUMNS
        for label, impls in PEERS
        for impl in impls
    ]


def check(path):
    """Whether the picture can be written is known before anything is measured."""
    directory = os.path.dirname(path) or os.curdir
    if not os.access(directory, os.W_OK):
        raise Failure(f"--overview: {directory} can't be written")


def quantity(value, unit):
    """At most three digits, and a unit with which they suffice."""
    units = {"ns": ("ns", "µs", "ms"), "bytes": ("B", "kB", "MB")}[unit]
    while value >= 999.5 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.1f} {units[0]}" if value < 9.95 else f"{value:,.0f} {units[0]}"


def best(rows, workload, impls):
    """The row with the least median of these implementations, or None."""
    found = [r for r in rows if r.workload == workload and r.impl in impls and r.samples]
    return min(found, key=lambda row: row.median(), default=None)


def decades(values):
    """
    The powers of ten below and above all values.  The first one lies so far below
    that each bar can be seen.
    """
    return math.floor(math.log10(min(values) / 2)), math.ceil(math.log10(max(values)))


def length(value, low, high):
    return BARS * (math.log10(value) - low) / (high - low)


def text(x, y, content, **style):
    style = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in style.items())
    return f'<text x="{x:.0f}" y="{y:.0f}"{style}>{escape(content)}</text>'


def column(x, title, found, limit):
    """found: of each line, the row or None."""
    values = [row.median() for row in found if row]
    if not values:
        return []
    low, high = decades(values)
    bottom = TOP + STEP * len(found)
    parts = [text(x, 30, title, font_weight="bold")]
    for decade in range(low, high + 1):
        at = x + length(10**decade, low, high)
        parts.append(f'<path d="M{at:.1f} {TOP - 6}V{bottom - 4}" stroke="#d8dce2"/>')
    for n, row in enumerate(found):
        if not row:
            continue
        y = TOP + STEP * n
        width = length(row.median(), low, high)
        mark = "" if row.is_good(limit) else " ?"
        parts.append(
            f'<rect x="{x}" y="{y}" width="{width:.1f}" height="{BAR}" '
            f'fill="{"#9aa3b0" if n else "#1f5fbf"}"/>'
        )
        number = quantity(row.median(), row.unit) + mark
        weight = "normal" if n else "bold"
        # white below the digits, where a line crosses them
        parts.append(text(x + width + 5, y + 16, number, font_weight=weight,
                          stroke="#ffffff", stroke_width=4))
        parts.append(text(x + width + 5, y + 16, number, font_weight=weight))
    return parts


def lines(rows):
    """Labels, and what stands beside each, as far as something was measured."""
    found = [
        (label, [best(rows, others.get(label, w), impls) for _, w, others in COLUMNS])
        for label, impls in PEERS
    ]
    return [(label, cells) for label, cells in found if any(cells)]


def svg(rows, machine, limit):
    table = lines(rows)
    if not table or table[0][0] != PEERS[0][0]:
        raise Failure("--overview: none of libaco's rows is there to draw")
    bottom = TOP + STEP * len(table)
    notes = [*NOTES, machine]
    if not all(row.is_good(limit) for _, cells in table for row in cells if row):
        notes.append("? The samples differ too much: not a good figure.")
    height = bottom + 16 + 15 * len(notes)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" font-family="Helvetica,Arial,sans-serif" '
        'font-size="14" fill="#1b1f24">',
        "<title>libaco beside its peers</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for n, (label, _) in enumerate(table):
        parts.append(text(LABELS - 10, TOP + STEP * n + 16, label, text_anchor="end",
                          font_weight="normal" if n else "bold"))
    for n, (title, _, _) in enumerate(COLUMNS):
        cells = [cells[n] for _, cells in table]
        parts += column(LABELS + COLUMN * n, title, cells, limit)
    for n, note in enumerate(notes):
        parts.append(text(16, bottom + 16 + 15 * n, note, font_size=11, fill="#57606a"))
    return "\n".join([*parts, "</svg>", ""])


def draw(rows, path, about, limit):
    compilers = "; ".join(about["compilers"])
    rounds = max(len(row.samples) for row in rows)
    machine = (f"{about['cpu']}, {about['kernel']}, {compilers}; clock {about['clock']}, "
               f"medians of {rounds}")
    with open(path, "w", encoding="utf-8") as f:
        f.write(svg(rows, machine, limit))
