# SPDX-License-Identifier: Apache-2.0
"""The result as text or CSV."""

import csv
import sys

import report
import servers
import stats


def best(figure):
    return min(figure.samples)


def is_good(figure, limit):
    """Whether a quarter of the samples is about as good as the best one."""
    if len(figure.samples) < stats.LEAST_SAMPLES:
        return False
    low, _ = stats.quartiles(figure.samples)
    return low - best(figure) <= limit * abs(best(figure))


def reference(figures, row, count):
    """The figure that others of the row are compared with, or None."""
    return figures.get((row, servers.REFERENCE.get(row), count))


def ratio(figures, figure):
    base = reference(figures, figure.row, figure.count)
    return best(figure) / best(base) if base and best(base) > 0 else None


def cell(figures, figure, limit):
    """The best, a mark, and the ratio, in 13 columns."""
    if not figure:
        return f"{'-':>7}{'':6}"
    mark = " " if is_good(figure, limit) else "?"
    found = ratio(figures, figure)
    return f"{best(figure):7.2f}{mark}" + (f"{found:5.2f}" if found is not None else " " * 5)


def number(figure, limit):
    if not figure:
        return f"{'-':>8} "
    return f"{best(figure):8,.0f}{' ' if is_good(figure, limit) else '?'}"


def hello_table(figures, here, connections, limit):
    print(f"\n{servers.ROWS['hello']},")
    print("and its ratio to that of raw callbacks, by connections; idle: bytes for one that")
    print("is idle, with page tables\n")
    width = 20
    print(f"{'':{width}}" + "".join(f"{count:>8,}{'':5}" for count in connections)
          + f"{'idle':>7}")
    for server in here:
        line = "".join(cell(figures, figures.get(("hello", server.name, count)), limit)
                       for count in connections)
        idle = figures.get(("idle", server.name, max(connections)))
        print(f"{server.title:{width}}{line}{number(idle, limit)}".rstrip())


def other_table(figures, here, row, limit):
    """A row whose servers have one figure, and sleepers their memory."""
    found = [f for f in figures.values() if f.row == row]
    if not found:
        return
    print(f"\n{servers.ROWS[row]}\n")
    for server in here:
        for figure in (f for f in found if f.server == server):
            line = f"{server.title:20}{cell(figures, figure, limit)}"
            memory = figures.get(("memory", server.name, figure.count))
            if memory:
                line += f"{number(memory, limit)} bytes each, {figure.count:,} tasks"
            print(line.rstrip())


def explain(figures, limit, missing, notes):
    bad = sum(not is_good(f, limit) for f in figures.values())
    if bad:
        print(f"\n? not good ({bad} of {len(figures)} figures): a quarter of the samples is not "
              f"within {limit:.0%}\nof the best, or there are fewer than {stats.LEAST_SAMPLES}")
    for note in notes:
        print(f"\n{note}")
    for server in missing:
        print(f"\nleft out: {server.title}, which needs {server.needs}")


def text(figures, here, missing, opts, about, notes):
    limit = opts.spread / 100
    print("\n".join(about))
    if any(f.row == "hello" for f in figures.values()):
        hello_table(figures, here, opts.connections, limit)
    for row in ("sleepers", "channel", "fairness"):
        other_table(figures, here, row, limit)
    explain(figures, limit, missing, notes)


def as_csv(figures, _here, missing, opts, about, notes):
    limit = opts.spread / 100
    for line in (*about, *notes):
        print(f"# {line}")
    for server in missing:
        print(f"# left out: {server.name}: needs {server.needs}")
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("row", "server", "count", "best", "quartile1", "median", "samples", "good",
                     "ratio"))
    for figure in figures.values():
        found = ratio(figures, figure)
        writer.writerow((
            figure.row, figure.server.name, figure.count, f"{best(figure):.4f}",
            f"{stats.quartiles(figure.samples)[0]:.4f}", f"{stats.median(figure.samples):.4f}",
            len(figure.samples), "yes" if is_good(figure, limit) else "no",
            "" if found is None else f"{found:.3f}"))


FORMATS = {"text": text, "csv": as_csv}


def machine(opts, load_before):
    """What the numbers depend on.  The load after the run includes that of the run."""
    return (
        f"{report.cpu_model()}, Linux {report.platform.release()}, processor {opts.pin}",
        f"load {load_before:.2f} before, {report.load():.2f} after; best of {opts.segments} "
        "segments of each",
    )
