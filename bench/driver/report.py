# SPDX-License-Identifier: Apache-2.0
"""The result as text, CSV or JSON."""

import csv
import json
import os
import platform
import sys

import names
import stats
from sample import ask, ratios


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown processor"


def governor():
    """How the kernel chooses the clock rate; None where it does not, as in most guests."""
    try:
        path = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
        with open(path, encoding="utf-8") as f:
            return f.read().strip()
    except OSError:
        return None


def load():
    """How many processes ran on average in the last minute."""
    return round(os.getloadavg()[0], 2)


def machine(rows, clock, load_before):
    """What the numbers depend on.  The load after the run includes that of the run."""
    abouts = [ask(program, "about").split("\n") for program in {r.program for r in rows}]
    return {
        "cpu": f"{cpu_model()} x {os.cpu_count()}",
        "kernel": f"{platform.system()} {platform.release()}",
        "compilers": sorted({lines[0] for lines in abouts}),
        "details": sorted({line for lines in abouts for line in lines[1:]}),
        "governor": governor(),
        "clock": clock,
        "load_before": load_before,
        "load_after": load(),
    }


def machine_line(about):
    return ", ".join([
        about["cpu"],
        about["kernel"],
        "; ".join(about["compilers"]),
        *about["details"],
        *([f"governor {about['governor']}"] if about["governor"] else []),
        f"clock {about['clock']}",
        f"load {about['load_before']:.2f} before, {about['load_after']:.2f} after",
    ])


def records(rows, limit):
    """
    One flat dictionary for each row that was measured.  A median whose spread is
    above the limit is not good.
    """
    for row in rows:
        if not row.samples:
            continue
        low, high = row.quartiles()
        to_reference = ratios(row, rows)
        yield {
            "workload": row.workload,
            "implementation": row.impl,
            "unit": row.unit,
            "median": round(row.median(), 3),
            "quartile1": round(low, 3),
            "quartile3": round(high, 3),
            "min": round(min(row.samples.values()), 3),
            "max": round(max(row.samples.values()), 3),
            "samples": len(row.samples),
            "spread": rounded(row.spread()),
            "good": row.is_good(limit),
            "clock": row.clock,
            "ratio": rounded(stats.median(to_reference)) if to_reference else None,
            "ratio_spread": rounded(stats.spread(to_reference)),
            "ratio_good": stats.is_good(to_reference, limit) if to_reference else None,
            "instructions": row.instructions,
            **{key: int(row.notes[key]) if key in row.notes else None for key in NOTES},
        }


# What a program tells besides the value.
NOTES = {
    "copied": "bytes copied",
    "cos": "cos",
    "guards": "guards tried",
    "made": "bytes when all were made",
    "left": "bytes left",
}


def rounded(value):
    return None if value is None else round(value, 3)


def skipped(rows, missing):
    """Programs and rows that have no result, each with the reason."""
    for program, needs in missing:
        yield program, f"needs {needs}"
    for row in rows:
        if row.skipped:
            yield row.name, row.skipped


def number(value):
    return f"{value:,.2f}" if value < 1000 else f"{value:,.0f}"


def optional(value, form):
    return "" if value is None else format(value, form)


def mark(good):
    """What stands behind a number; a number that is missing is not marked."""
    return "?" if good is False else " "


def text(rows, missing, about, limit):
    print(machine_line(about))
    found = list(records(rows, limit))
    workload = None
    for r in found:
        if r["workload"] != workload:
            workload = r["workload"]
            print(f"\n{workload}: {names.WORKLOADS[workload]}")
            print(f"{'':34}{r['unit']:>10}  {'quartiles':>21} {'/ boost':>8}  {'instr.':>8}")
        spread = f"{number(r['quartile1'])} - {number(r['quartile3'])}"
        line = f"  {names.IMPLEMENTATIONS[r['implementation']]:32}"
        line += f"{number(r['median']):>10}{mark(r['good'])}"
        line += f" {spread:>21} {optional(r['ratio'], '.2f'):>8}{mark(r['ratio_good'])}"
        line += f" {optional(r['instructions'], '.0f'):>8}"
        notes = [f"{r[key]:,} {what}" for key, what in NOTES.items() if r[key] is not None]
        line += "  " + ", ".join(notes)
        print(line.rstrip())
    not_good = sum(r["good"] is False or r["ratio_good"] is False for r in found)
    if not_good:
        print(f"\n? not good ({not_good} of {len(found)} rows): the middle half of the samples spans "
              f"more than {limit:.0%} of the median, or there are fewer than {stats.LEAST_SAMPLES}")
    left_out = list(skipped(rows, missing))
    if left_out:
        print("\nskipped:")
    for name, why in left_out:
        print(f"  {name}: {why}")


YES_NO = {True: "yes", False: "no"}


def as_csv(rows, missing, about, limit):
    """Rows; comment lines say the rest."""
    print(f"# {machine_line(about)}")
    print(f"# not good: spread above {limit:.0%}, or fewer than {stats.LEAST_SAMPLES} samples")
    for name, why in skipped(rows, missing):
        print(f"# skipped {name}: {why}")
    writer = None
    for record in records(rows, limit):
        for key in ("good", "ratio_good"):
            record[key] = YES_NO.get(record[key])
        if not writer:
            writer = csv.DictWriter(sys.stdout, record, lineterminator="\n")
            writer.writeheader()
        writer.writerow(record)


def as_json(rows, missing, about, limit):
    result = {
        "machine": about,
        "reference": names.REFERENCE,
        "spread_limit": limit,
        "rows": list(records(rows, limit)),
        "skipped": dict(skipped(rows, missing)),
    }
    json.dump(result, sys.stdout, indent=2)
    print()


FORMATS = {"text": text, "csv": as_csv, "json": as_json}
