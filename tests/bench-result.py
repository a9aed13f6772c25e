# SPDX-License-Identifier: Apache-2.0
"""
Holds a result of "aco-bench --format json --cos 100", in one round, to what was
asked for.  Arguments: the result; the rows asked for; the rows of each program;
whether instructions were counted.
"""

import json
import sys

REFERENCE = "boost-fcontext"

# What may keep a whole program from being measured: a tool may bring libstdc++
# into processes.
FOREIGN = ("libstdc++ is in the process", "libstdc++ is not in the process")


def check(condition, what):
    if not condition:
        sys.exit(f"FAIL: {what}")


def is_positive(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


def lines(path):
    with open(path, encoding="utf-8") as f:
        return f.read().splitlines()


def check_row(name, row):
    for key in ("median", "quartile1", "quartile3", "min", "max", "samples"):
        check(is_positive(row[key]), f"{name}: {key} is {row[key]}")
    check(row["samples"] == 1, f"{name}: {row['samples']} samples in one round")
    same = {row[key] for key in ("median", "quartile1", "quartile3", "min", "max")}
    check(len(same) == 1, f"{name}: one sample, but it is {same}")
    check(row["spread"] is None and row["good"] is False, f"{name}: one sample is good")
    bytes_wanted = "memory" in row["workload"]
    check(row["unit"] == ("bytes" if bytes_wanted else "ns"), f"{name}: unit {row['unit']}")
    check(row["clock"] == (None if bytes_wanted else "wall"), f"{name}: clock {row['clock']}")


def check_notes(name, row):
    """Notes are there in these rows, and only there."""
    workload, impl = name.split("/")
    copies = workload.startswith(("wake-", "memory-back"))
    copies = copies or (workload.startswith("share-") and impl.startswith("aco-"))
    check(is_positive(row["copied"]) == copies, f"{name}: copied is {row['copied']}")
    if workload.startswith(("wake-", "guarded-", "memory-own", "memory-back")):
        check(row["cos"] == 100, f"{name}: cos is {row['cos']}")
    else:
        check(row["cos"] is None, f"{name}: cos is {row['cos']}")
    guards = 100 if workload == "guarded-memory" else None
    check(row["guards"] == guards, f"{name}: guards is {row['guards']}")
    back = workload == "memory-back"
    for key in ("made", "left"):
        check(is_positive(row[key]) == back, f"{name}: {key} is {row[key]}")


def check_ratio(name, row, measured):
    reference = measured.get(f"{row['workload']}/{REFERENCE}")
    if reference is None:
        check(row["ratio"] is None, f"{name}: ratio without a reference")
        return
    check(row["ratio"] is not None, f"{name}: no ratio")
    # both are rounded to 3 digits behind the point
    want = row["median"] / reference["median"]
    error = 0.001 + want * (0.001 / row["median"] + 0.001 / reference["median"])
    check(abs(row["ratio"] - want) <= error, f"{name}: ratio {row['ratio']}, not {want}")


def check_instructions(name, row, counted):
    countable = row["unit"] == "ns" and row["implementation"] not in ("pthread", "go")
    if counted and countable:
        check(is_positive(row["instructions"]), f"{name}: {row['instructions']} instructions")
    else:
        check(row["instructions"] is None, f"{name}: instructions without counting")


def check_machine(machine):
    for key in ("cpu", "kernel", "compilers", "clock"):
        check(machine[key], f"machine: {key} is empty")
    for key in ("load_before", "load_after"):
        check(machine[key] >= 0, f"machine: {key} is {machine[key]}")
    check(all(machine["compilers"]), "machine: a compiler without a name")


def check_programs(path, measured, skipped):
    """Each program was executed."""
    rows_of = {}
    for line in lines(path):
        program, name = line.split(" ")
        rows_of.setdefault(program, []).append(name)
    for program, names in rows_of.items():
        done = [name for name in names if name in measured]
        why = [skipped[name] for name in names if name in skipped]
        check(done or any(reason in FOREIGN for reason in why),
              f"{program}: nothing is measured; {why}")


def main():
    result_path, asked_path, programs_path, counted = sys.argv[1:]
    with open(result_path, encoding="utf-8") as f:
        result = json.load(f)
    check(result["reference"] == REFERENCE, f"the reference is {result['reference']}")
    check_machine(result["machine"])
    measured = {f"{row['workload']}/{row['implementation']}": row for row in result["rows"]}
    check(len(measured) == len(result["rows"]), "a row is there twice")
    skipped = {name: why for name, why in result["skipped"].items() if "/" in name}
    for name, why in result["skipped"].items():
        check(why, f"{name} is skipped without a reason")
        print(f"skipped: {name}: {why}")
    check(not measured.keys() & skipped.keys(), "a row is measured and skipped")
    asked = set(lines(asked_path))
    check(asked == measured.keys() | skipped.keys(),
          f"asked for and measured differ: {asked ^ (measured.keys() | skipped.keys())}")
    check_programs(programs_path, measured, skipped)
    for name, row in measured.items():
        check_row(name, row)
        check_notes(name, row)
        check_ratio(name, row, measured)
        check_instructions(name, row, counted == "yes")
    print(f"{len(measured)} rows")


main()
