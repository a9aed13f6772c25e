# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of the benchmark, on samples whose result is known."""

import contextlib
import io
import json
import os
import sys
import unittest
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "bench", "driver"))

# pylint: disable=wrong-import-position
import names
import overview
import report
import sample
import stats


def by_round(*values):
    """Samples of the rounds 0, 1, ...; a round without a sample has None."""
    return {number: value for number, value in enumerate(values) if value is not None}


def row(impl, *values, workload="switch"):
    return sample.Row("run-" + impl, workload, impl, samples=by_round(*values))


class Medians(unittest.TestCase):
    def test_of_an_odd_number(self):
        self.assertEqual(stats.median([9, 1, 4]), 4)

    def test_of_an_even_number(self):
        self.assertEqual(stats.median([10, 1, 4, 2]), 3)

    def test_of_one(self):
        self.assertEqual(stats.median([7]), 7)

    def test_of_a_row(self):
        self.assertEqual(row("aco-own", 9, 1, 4).median(), 4)


class Quartiles(unittest.TestCase):
    def test_of_an_odd_number(self):
        self.assertEqual(stats.quartiles([5, 3, 1, 4, 2]), (2, 4))

    def test_of_an_even_number(self):
        self.assertEqual(stats.quartiles([4, 3, 2, 1]), (1.75, 3.25))

    def test_of_two(self):
        self.assertEqual(stats.quartiles([2, 1]), (1.25, 1.75))

    def test_of_one(self):
        self.assertEqual(stats.quartiles([7]), (7, 7))

    def test_of_a_row(self):
        self.assertEqual(row("aco-own", 5, 3, 1, 4, 2).quartiles(), (2, 4))


class Spreads(unittest.TestCase):
    def test_interquartile_range_by_median(self):
        self.assertEqual(stats.spread([5, 3, 1, 4, 2]), 2 / 3)

    def test_a_quarter_on_each_side_changes_nothing(self):
        self.assertEqual(stats.spread([3, 4, 5, 6, 7]), stats.spread([0, 4, 5, 6, 1000]))

    def test_of_equal_samples(self):
        self.assertEqual(stats.spread([7, 7, 7]), 0)
        self.assertEqual(stats.spread([0, 0, 0]), 0)

    def test_of_samples_below_zero(self):
        self.assertEqual(stats.spread([-5, -3, -1, -4, -2]), 2 / 3)

    def test_of_the_median_zero(self):
        self.assertIsNone(stats.spread([-1, 0, 1]))

    def test_too_few_samples(self):
        self.assertIsNone(stats.spread([]))
        self.assertIsNone(stats.spread([7, 7]))

    def test_limit(self):
        values = [95, 100, 105]  # the quartiles are 97.5 and 102.5
        self.assertEqual(stats.spread(values), 0.05)
        self.assertTrue(stats.is_good(values, 0.05))
        self.assertFalse(stats.is_good(values, 0.049))

    def test_what_has_no_spread_is_not_good(self):
        self.assertFalse(stats.is_good([7, 7], 1))
        self.assertFalse(stats.is_good([-1, 0, 1], 1))

    def test_of_a_row(self):
        own = row("aco-own", 95, 100, 105)
        self.assertEqual(own.spread(), 0.05)
        self.assertTrue(own.is_good(0.05))
        self.assertFalse(own.is_good(0.049))


class Ratios(unittest.TestCase):
    def test_row_by_reference(self):
        self.assertEqual(stats.ratios(by_round(2), by_round(8)), [0.25])

    def test_rounds_that_have_both(self):
        samples = by_round(1, None, 6, 8)
        reference = by_round(None, 5, 2, 2)
        self.assertEqual(stats.ratios(samples, reference), [3, 4])

    def test_no_round_has_both(self):
        self.assertEqual(stats.ratios(by_round(1, None), by_round(None, 1)), [])

    def test_no_samples(self):
        self.assertEqual(stats.ratios({}, by_round(1)), [])
        self.assertEqual(stats.ratios(by_round(1), {}), [])

    def test_zeros(self):
        self.assertEqual(stats.ratios(by_round(0, 0), by_round(2, 4)), [0, 0])
        self.assertEqual(stats.ratios(by_round(5, 6), by_round(0, 2)), [3])
        self.assertEqual(stats.ratios(by_round(5), by_round(0)), [])

    def test_reference_of_the_same_workload(self):
        own = row("aco-own", 4)
        rows = [
            row(names.REFERENCE, 1, workload="nested"),
            own,
            row("swapcontext", 400),
            row(names.REFERENCE, 8),
        ]
        self.assertEqual(sample.ratios(own, rows), [0.5])

    def test_no_reference(self):
        own = row("aco-own", 4)
        self.assertEqual(sample.ratios(own, [own, row("swapcontext", 400)]), [])


class Answers(unittest.TestCase):
    def test_value_unit_notes(self):
        self.assertEqual(
            sample.parse("value=2.5000 unit=ns copied=16 cos=100"),
            (2.5, "ns", {"copied": "16", "cos": "100"}),
        )

    def test_skip(self):
        with self.assertRaisesRegex(sample.Skip, "^no more threads$"):
            sample.parse("skip no more threads")


class Names(unittest.TestCase):
    def test_programs_of_implementations(self):
        found = {impl: names.program(impl) for impl in names.IMPLEMENTATIONS}
        self.assertEqual(found["aco-own"], "run-aco")
        self.assertEqual(found["aco-call-shared"], "run-aco-call")
        self.assertEqual(found["boost-fiber-pooled"], "run-boost-fiber")
        self.assertEqual(found["pth"], "run-pth")
        self.assertEqual(found["pthread"], "run-pthread")
        self.assertEqual(set(found.values()), set(names.PROGRAMS))

    def test_implementations_of_a_pattern(self):
        self.assertEqual(names.implementations("switch/boost-*"),
                         ["boost-fcontext", "boost-fiber", "boost-fiber-pooled"])
        self.assertEqual(names.implementations("no-such-row"), [])


class Program:
    """Answers in the place of the programs, and remembers who was asked."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []

    def ask(self, program, *args):
        impl = args[1].split("/")[1]
        self.asked.append(impl)
        answer = self.answers[impl].pop(0)
        return answer if answer.startswith("skip ") else f"value={answer} unit=ns"


class Rounds(unittest.TestCase):
    def measure(self, rows, rounds, **answers):
        program = Program(**answers)
        before = sample.ask
        sample.ask = program.ask
        self.addCleanup(setattr, sample, "ask", before)
        sample.measure(rows, rounds, 1, 100, "wall", lambda text: None)
        return program.asked

    def test_each_begins_with_another_row(self):
        rows = [row("a"), row("b"), row("c")]
        asked = self.measure(rows, 3, a=["1", "2", "3"], b=["4", "5", "6"], c=["7", "8", "9"])
        self.assertEqual("".join(asked), "abc" "bca" "cab")
        self.assertEqual(rows[1].samples, {0: 4, 1: 5, 2: 6})

    def test_a_skipped_row_is_not_asked_again(self):
        rows = [row("a"), row("b")]
        self.measure(rows, 3, a=["1", "skip too hot"], b=["2", "3", "4"])
        self.assertEqual(rows[0].samples, {0: 1})
        self.assertEqual(rows[0].skipped, "too hot")
        self.assertEqual(stats.ratios(rows[1].samples, rows[0].samples), [2])


ABOUT = {
    "cpu": "c", "kernel": "k", "compilers": [], "details": [], "governor": None,
    "clock": "wall", "load_before": 0.5, "load_after": 1,
}


def printed(form, *rows, limit=0.05):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        form(rows, [("run-cxx20", "g++")], ABOUT, limit)
    return out.getvalue()


class Report(unittest.TestCase):
    def result(self, *rows):
        return json.loads(printed(report.as_json, *rows))

    def test_numbers_of_a_row(self):
        own = row("aco-own", 5, 3, 1, 4, 2)
        ref = row(names.REFERENCE, 10, 10, 10, 10, 10)
        found = self.result(own, ref)["rows"][0]
        want = {"median": 3, "quartile1": 2, "quartile3": 4, "min": 1, "max": 5,
                "samples": 5, "ratio": 0.3}
        self.assertEqual({key: found[key] for key in want}, want)

    def test_median_of_the_ratios_and_not_ratio_of_the_medians(self):
        rows = row("aco-own", 1, 20, 30), row(names.REFERENCE, 10, 10, 60)
        self.assertEqual(self.result(*rows)["rows"][0]["ratio"], 0.5)

    def test_even_number_of_rounds(self):
        rows = row("aco-own", 1, 3), row(names.REFERENCE, 1, 1)
        self.assertEqual(self.result(*rows)["rows"][0]["ratio"], 2)

    def test_what_is_good(self):
        rows = row("aco-own", 80, 100, 120), row(names.REFERENCE, 160, 200, 240)
        own = self.result(*rows)["rows"][0]
        want = {"spread": 0.2, "good": False, "ratio_spread": 0, "ratio_good": True}
        self.assertEqual({key: own[key] for key in want}, want)

    def test_no_ratio_is_neither_good_nor_bad(self):
        self.assertIsNone(self.result(row("aco-own", 1, 1, 1))["rows"][0]["ratio_good"])

    def test_marks_in_text(self):
        good, bad = row("aco-own", 95, 100, 105), row("swapcontext", 80, 100, 120)
        lines = printed(report.text, good, bad).split("\n")
        self.assertIn(" 100.00  ", lines[4])
        self.assertIn(" 100.00? ", lines[5])
        self.assertRegex(lines[7], r"^\? not good \(1 of 2 rows\)")
        self.assertNotIn("?", printed(report.text, good))

    def test_marks_of_ratios_in_text(self):
        own, ref = row("aco-own", 100, 100, 100), row(names.REFERENCE, 50, 100, 200)
        self.assertRegex(printed(report.text, own, ref), r" 100\.00  .* 1\.00\?")

    def test_marks_in_csv(self):
        rows = row("aco-own", 95, 100, 105), row("swapcontext", 80, 100, 120)
        lines = [line for line in printed(report.as_csv, *rows).split("\n") if line[:1] != "#"]
        at = lines[0].split(",").index("good")
        self.assertEqual([line.split(",")[at] for line in lines[1:3]], ["yes", "no"])

    def test_governor_where_known(self):
        self.assertNotIn("governor", report.machine_line(ABOUT))
        self.assertIn(", governor performance, clock wall, load 0.50 before, 1.00 after",
                      report.machine_line({**ABOUT, "governor": "performance"}))

    def test_what_a_program_tells_besides(self):
        before = report.ask
        report.ask = lambda program, what: "gcc 12\nown control words: stored"
        self.addCleanup(setattr, report, "ask", before)
        about = report.machine([row("aco-own", 1)], "cpu", 0)
        self.assertEqual(about["compilers"], ["gcc 12"])
        self.assertIn(", gcc 12, own control words: stored, ", report.machine_line(about))

    def test_what_is_skipped(self):
        gone = row("pthread")
        gone.skipped = "no more threads"
        result = self.result(gone)
        self.assertEqual(result["rows"], [])
        self.assertEqual(
            result["skipped"],
            {"run-cxx20": "needs g++", "switch/pthread": "no more threads"},
        )


class Overview(unittest.TestCase):
    def test_quantities(self):
        for value, unit, want in (
            (2.94, "ns", "2.9 ns"), (9.94, "ns", "9.9 ns"), (9.96, "ns", "10 ns"),
            (999.4, "ns", "999 ns"), (999.6, "ns", "1.0 µs"), (44600, "ns", "45 µs"),
            (280.04, "bytes", "280 B"), (4152, "bytes", "4.2 kB"), (5e9, "bytes", "5,000 MB"),
        ):
            self.assertEqual(overview.quantity(value, unit), want)

    def test_decades_around_all_values(self):
        self.assertEqual(overview.decades([2.9, 44600]), (0, 5))
        self.assertEqual(overview.decades([280, 8600]), (2, 4))
        self.assertEqual(overview.decades([150, 1000]), (1, 3))
        self.assertEqual(overview.decades([7]), (0, 1))

    def test_lengths_are_those_of_logarithms(self):
        self.assertEqual(overview.length(1, 0, 4), 0)
        self.assertEqual(overview.length(100, 0, 4), overview.BARS / 2)
        self.assertEqual(overview.length(10000, 0, 4), overview.BARS)

    def test_the_best_variant(self):
        rows = [row("boost-fcontext", 12), row("boost-fiber", 9), row("swapcontext", 1),
                row("boost-fiber-pooled"), row("boost-fiber-pooled", 2, workload="create-new")]
        self.assertIs(overview.best(rows, "switch", overview.FIBER), rows[1])
        self.assertIsNone(overview.best(rows, "nested", overview.FIBER))

    def test_rows_exist(self):
        for name in overview.row_names():
            workload, impl = name.split("/")
            self.assertIn(workload, names.WORKLOADS)
            self.assertIn(impl, names.IMPLEMENTATIONS)
        self.assertIn("memory-given/aco-shared", overview.row_names())
        self.assertIn("memory-own/pthread", overview.row_names())

    def texts(self, *rows):
        root = xml.etree.ElementTree.fromstring(overview.svg(rows, "a <CPU>", 0.05))
        return [node.text for node in root.iter() if node.text and node.tag.endswith("text")]

    def test_picture(self):
        found = self.texts(row("aco-shared", 3, 3, 3), row("pthread", 9e3, 10e3, 11e3))
        for want in ("libaco", "3.0 ns", "thread", "10 µs ?", "a <CPU>"):
            self.assertIn(want, found)
        for label in ("swapcontext", "create, run, destroy"):
            self.assertNotIn(label, found)
        self.assertTrue(found[-1].startswith("? "))

    def test_picture_of_good_figures(self):
        self.assertNotIn("?", "".join(self.texts(row("aco-shared", 3, 3, 3))))

    def test_nothing_of_libaco(self):
        with self.assertRaisesRegex(sample.Failure, "none of libaco's rows"):
            overview.svg([row("pthread", 1)], "", 0.05)


unittest.main()
