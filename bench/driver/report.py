# SPDX-License-Identifier: Apache-2.0
"""The result as text, CSV or JSON."""

import csv
import json
import os
import platform
import sys

import names
from sample import ask, ratio


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown processor"


def machine(rows):
    """What the numbers depend on."""
    return {
        "cpu": f"{cpu_model()} x {os.cpu_count()}",
        "kernel": f"{platform.system()} {platform.release()}",
        "compilers": sorted({ask(program, "about") for program in {r.program for r in rows}}),
    }


def records(rows):
    """One flat dictionary for each row that was measured."""
    for row in rows:
        if not row.samples:
            continue
        low, high = row.quartiles()
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
            "ratio": rounded(ratio(row, rows)),
            "instructions": row.instructions,
            "copied": int(row.notes["copied"]) if "copied" in row.notes else None,
            "cos": int(row.notes["cos"]) if "cos" in row.notes else None,
            "guards": int(row.notes["guards"]) if "guards" in row.notes else None,
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


def text(rows, missing, about):
    print(f"{about['cpu']}, {about['kernel']}, {'; '.join(about['compilers'])}")
    workload = None
    for r in records(rows):
        if r["workload"] != workload:
            workload = r["workload"]
            print(f"\n{workload}: {names.WORKLOADS[workload]}")
            print(f"{'':34}{r['unit']:>10} {'quartiles':>21} {'/ boost':>8} {'instr.':>8}")
        spread = f"{number(r['quartile1'])} - {number(r['quartile3'])}"
        line = f"  {names.IMPLEMENTATIONS[r['implementation']]:32}{number(r['median']):>10}"
        line += f" {spread:>21} {optional(r['ratio'], '.2f'):>8}"
        line += f" {optional(r['instructions'], '.0f'):>8}"
        notes = [(r["copied"], "bytes copied"), (r["cos"], "cos"), (r["guards"], "guards tried")]
        line += "  " + ", ".join(f"{n:,} {what}" for n, what in notes if n is not None)
        print(line.rstrip())
    left_out = list(skipped(rows, missing))
    if left_out:
        print("\nskipped:")
    for name, why in left_out:
        print(f"  {name}: {why}")


def as_csv(rows, missing, about):
    """Rows; comment lines say the rest."""
    print(f"# {about['cpu']}, {about['kernel']}, {'; '.join(about['compilers'])}")
    for name, why in skipped(rows, missing):
        print(f"# skipped {name}: {why}")
    writer = None
    for record in records(rows):
        if not writer:
            writer = csv.DictWriter(sys.stdout, record, lineterminator="\n")
            writer.writeheader()
        writer.writerow(record)


def as_json(rows, missing, about):
    result = {
        "machine": about,
        "reference": names.REFERENCE,
        "rows": list(records(rows)),
        "skipped": dict(skipped(rows, missing)),
    }
    json.dump(result, sys.stdout, indent=2)
    print()


FORMATS = {"text": text, "csv": as_csv, "json": as_json}
