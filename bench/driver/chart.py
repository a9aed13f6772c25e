# SPDX-License-Identifier: Apache-2.0
"""The result as a picture, drawn by gnuplot."""

import os
import shutil
import subprocess

import names
from sample import Failure

COLOURS = {
    "aco-shared": "#1f5fbf",
    "aco-own": "#6fa8ee",
    "aco-call-shared": "#17806d",
    "aco-call-own": "#6cc5b0",
    "aco-c++-shared": "#7b4fb0",
    "boost-fcontext": "#e07b00",
    "boost-fiber": "#f5b04d",
    "boost-fiber-pooled": "#ffe08a",
    "swapcontext": "#8c8c8c",
    "pthread": "#c9c9c9",
    "pth": "#a0785a",
    "st": "#d2b48c",
    "go": "#00add8",
    "c++20": "#c23b3b",
}

# Panels: the title, and the workloads side by side, each with its label.
BARS = (
    ("Resume and yield, ns",
     (("switch", "one co"), ("nested", "yields 4 deep"),
      ("turn-1000", "1,000 in turn"),
      ("turn-100000", "100,000 in turn"))),
    ("Create, run, destroy, ns",
     (("create-reuse", "on a stack that is there"),
      ("create-new", "with a guarded stack of its own"))),
)


def check(path):
    """Whether it can be drawn is known before anything is measured."""
    directory = os.path.dirname(path) or os.curdir
    if not os.access(directory, os.W_OK):
        raise Failure(f"--plot: {directory} can't be written")
    if not shutil.which("gnuplot"):
        raise Failure("--plot needs gnuplot (package gnuplot-nox)")


def short(value):
    return f"{value:.1f}" if value < 10 else f"{value:.0f}" if value < 1000 else f"{value / 1000:.1f}k"


def results(rows):
    return {(r.workload, r.impl): r for r in rows if r.samples}


def bars(title, workloads, found):
    """Groups of bars on a logarithmic scale, each bar with its number."""
    present = [(w, label) for w, label in workloads if any(k[0] == w for k in found)]
    blocks, plots, tics, x = [], [], [], 0
    points = {impl: [] for impl in COLOURS}
    for workload, label in present:
        start = x
        for impl in COLOURS:
            if (workload, impl) in found:
                value = found[workload, impl].median()
                points[impl].append(f'{x} {value:.3f} "{short(value)}"')
                x += 1
        tics.append(f'"{label}" {(start + x - 1) / 2}')
        x += 1.5
    for n, (impl, lines) in enumerate(points.items()):
        if lines:
            blocks += [f"$bar{n} << EOD", *lines, "EOD"]
            plots.append(f'$bar{n} using 1:2 with boxes lc rgb "{COLOURS[impl]}" '
                         f'title "{names.IMPLEMENTATIONS[impl]}"')
            plots.append(f'$bar{n} using 1:2:3 with labels offset 0,0.6 font ",9" notitle')
    if not plots:
        return []
    return [
        *blocks, f'set title "{title}"', "set logscale y; unset logscale x",
        f"set xrange [-1:{x - 0.5}]; set yrange [1:*]; set offsets 0, 0, 0, 0",
        f"set xtics nomirror ({', '.join(tics)}); unset xlabel",
        "set key below maxcols 3", f"plot {', '.join(plots)}",
    ]


def curve(title, xlabel, points):
    """
    Lines through the medians, with their quartiles.  points: of each
    implementation, pairs of x and a row.
    """
    blocks, plots = [], []
    for n, (impl, line) in enumerate(points.items()):
        blocks.append(f"$line{n} << EOD")
        for x, row in line:
            low, high = row.quartiles()
            blocks.append(f"{x} {row.median():.3f} {low:.3f} {high:.3f}")
        blocks.append("EOD")
        plots.append(f'$line{n} using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.6 '
                     f'lc rgb "{COLOURS[impl]}" title "{names.IMPLEMENTATIONS[impl]}"')
    if not plots:
        return []
    return [
        *blocks, f'set title "{title}"', f'set xlabel "{xlabel}"', "set logscale xy",
        "set xrange [*:*]; set yrange [5:*]", "set xtics autofreq",
        "set ytics (5, 10, 20, 50, 100, 200, 500, 1000)", "set key Left reverse",
        f"plot {', '.join(plots)}",
    ]


def share_points(found):
    """The workloads "share-N", at the number of bytes that are really copied."""
    points = {}
    for size in names.SHARE_SIZES:
        for impl in COLOURS:
            row = found.get((f"share-{size}", impl))
            if row and impl != "swapcontext":
                x = int(row.notes.get("copied", size))
                line = points.setdefault(impl, [])
                if not line or line[-1][0] != x:
                    line.append((x, row))
    return points


def scale_points(found):
    points = {}
    for n in names.SCALES:
        for impl in COLOURS:
            if (f"scale-{n}", impl) in found:
                points.setdefault(impl, []).append((n, found[f"scale-{n}", impl]))
    return points


def draw(rows, path):
    found = results(rows)
    panels = [bars(title, workloads, found) for title, workloads in BARS]
    panels.append(curve("Two cos in turn on one stack (peers: each on its own), ns",
                        "bytes copied", share_points(found)))
    panels.append(curve("Cos in turn on one stack, frames of 120 bytes: ns each",
                        "number of cos", scale_points(found)))
    panels = [panel for panel in panels if panel]
    if not panels:
        raise Failure("--plot: none of these rows is drawn")
    lines = min(2, len(panels))
    columns = (len(panels) + 1) // 2
    script = [
        f'set terminal svg size {700 * columns},{520 * lines} font "sans,12" noenhanced background "#ffffff"',
        f'set output "{path}"',
        f"set multiplot layout {lines},{columns} columnsfirst",
        "set boxwidth 0.9; set style fill solid; set grid ytics; set border 3",
        'set ytics nomirror; set format y "%g"',
        *(line for panel in panels for line in panel),
        "unset multiplot",
    ]
    done = subprocess.run(["gnuplot"], input="\n".join(script), text=True, check=False)
    if done.returncode != 0:
        raise Failure("gnuplot could not draw the result")
