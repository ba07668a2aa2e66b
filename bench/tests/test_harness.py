"""Holds what reports are made of: the arithmetic on known numbers, the list of what there is, and that a record of real
samples, taken with `bench/run`, is still shown."""

import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, BENCH)

from harness import catalogue, figures, goals, publish, record, report, table  # noqa: E402

RECORD = os.path.join(BENCH, "tests", "record.json")


class Figures(unittest.TestCase):
    def test_median_and_spread(self):
        self.assertEqual(figures.median([3.0, 1.0, 2.0]), 2.0)
        self.assertEqual(figures.median([1.0, 2.0]), 1.5)
        self.assertEqual(figures.spread([2.0, 3.0, 4.0]), 2.0)
        self.assertEqual(figures.spread([0.0, 1.0]), float("inf"))

    def test_a_ratio_is_of_the_medians_within_what_the_samples_leave_it(self):
        ratio = figures.ratio([20.0, 22.0, 24.0], [10.0, 11.0, 12.0])
        self.assertEqual((ratio.value, ratio.low, ratio.high, ratio.refusal), (2.0, 20 / 12, 2.4, None))
        self.assertEqual(str(ratio), "2.00 x (1.67 to 2.40)")

    def test_a_ratio_that_may_be_one_names_no_winner(self):
        self.assertEqual(str(figures.ratio([10.0, 12.0], [10.5, 11.5])), "about 1 (0.87 to 1.14)")

    def test_a_ratio_is_refused_when_a_side_spreads_too_widely(self):
        self.assertEqual(str(figures.ratio([10.0, 15.0], [1.0, 1.0])), "12.5 x (10.0 to 15.0)")
        self.assertEqual(str(figures.ratio([10.0, 15.1], [1.0, 1.0])), "spread too wide (1.51)")
        self.assertEqual(str(figures.ratio([1.0, 1.0], [10.0, 16.0])), "spread too wide (1.60)")

    def test_a_ratio_is_refused_where_there_is_too_little(self):
        self.assertEqual(str(figures.ratio([1.0], [1.0, 1.0])), "too few rounds")
        self.assertEqual(str(figures.ratio([0.0, 0.0], [1.0, 1.0])), "too little to measure")


class Goals(unittest.TestCase):
    def run_of(self, ours, theirs):
        """One scenario in which rows per second are these."""
        programs = [{"name": name, "kind": "ours", "about": "", "refused": [],
                     "samples": [{"rows": 1000, "seconds": 1000 / speed} for speed in speeds]}
                    for name, speeds in (("cdc", ours), ("other", theirs))]
        return {"scenarios": [{"name": "here", "programs": programs}]}

    def test_a_goal_is_reached_only_with_all_that_the_samples_leave_open(self):
        goal = goals.Goal("", "here", "cdc", "rows_per_second", ">=", 2, "other")
        verdicts = [goals.judge(self.run_of(ours, [10, 11]), goal)[1]
                    for ours in ([23, 24], [21, 22], [19, 20], [10, 11], [10, 30])]
        self.assertEqual(verdicts, ["reached", "reached, within the spread", "not reached, within the spread",
                                    "not reached", "no figure"])

    def test_what_was_not_run_is_not_measured(self):
        goal = goals.Goal("", "elsewhere", "cdc", "rows_per_second", ">=", 2, "other")
        self.assertEqual(goals.judge(self.run_of([1], [1]), goal), ("not measured", "no figure"))

    def test_every_goal_is_of_a_scenario_and_programs_that_there_are(self):
        known = {scenario.name: {program.name for program in scenario.programs} for scenario in catalogue.SCENARIOS}
        for goal in goals.GOALS:
            self.assertIn(goal.program, known[goal.scenario])
            self.assertTrue(goal.than is None or goal.than in known[goal.scenario], goal)
            self.assertIn(goal.metric, record.METRICS)


class Catalogue(unittest.TestCase):
    def test_the_list_names_every_scenario_and_program(self):
        done = subprocess.run([os.path.join(BENCH, "run"), "--list"], check=True, stdout=subprocess.PIPE, text=True)
        for scenario in catalogue.SCENARIOS:
            self.assertRegex(done.stdout, rf"(?m)^  [* ] {re.escape(scenario.name)} ")
        for name in catalogue.program_names():
            self.assertRegex(done.stdout, rf"(?m)^    {re.escape(name)} ")

    def test_names_are_told_apart(self):
        names = [scenario.name for scenario in catalogue.SCENARIOS]
        self.assertEqual(len(names), len(set(names)))
        for scenario in catalogue.SCENARIOS:
            programs = [program.name for program in scenario.programs]
            self.assertEqual(len(programs), len(set(programs)), scenario.name)


class Report(unittest.TestCase):
    def test_a_record_is_shown_in_full(self):
        run = record.read(RECORD)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            table.show(run)
        with tempfile.TemporaryDirectory() as folder:
            with open(report.write(folder, run), encoding="utf-8") as file:
                page = file.read()
            for result in run["scenarios"]:
                self.assertIn(result["title"], printed.getvalue())
                self.assertIn(result["title"], page)
                drawing = xml.etree.ElementTree.parse(os.path.join(folder, f"{result['name']}.svg"))
                texts = [element.text for element in drawing.iter() if element.tag.endswith("text")]
                for program in result["programs"]:
                    self.assertIn(program["name"], printed.getvalue())
                    self.assertTrue(not program["samples"] or any(program["name"] in text for text in texts), texts)
        # Nothing from elsewhere: the page is one file.
        self.assertIsNone(re.search(r'(src|href)="', page))


class Publish(unittest.TestCase):
    def test_what_is_between_the_marks_is_replaced_and_nothing_else(self):
        with tempfile.NamedTemporaryFile("w+", suffix=".md") as page:
            page.write("before\n<!-- goals -->\nold\nlines\n<!-- /goals -->\nafter\n")
            page.flush()
            publish.fill(page.name, {"goals": "new"})
            page.seek(0)
            self.assertEqual(page.read(), "before\n<!-- goals -->\nnew\n<!-- /goals -->\nafter\n")
            with self.assertRaisesRegex(SystemExit, "no marks <!-- machine -->"):
                publish.fill(page.name, {"machine": "new"})

    def test_the_pages_have_the_marks(self):
        for path, names in ((publish.PAGE, ("summary", "goals", "machine", "figures")), (publish.README, ("speed",))):
            with open(path, encoding="utf-8") as file:
                text = file.read()
            for name in names:
                self.assertRegex(text, rf"(?s)<!-- {name} -->\n.*\n<!-- /{name} -->")

    def test_a_run_that_lacks_a_figure_of_the_summary_is_refused(self):
        with self.assertRaisesRegex(SystemExit, "no rows_per_second of cdc in small-null"):
            publish.summary(record.read(RECORD))

    def test_every_goal_and_scenario_of_a_run_is_told(self):
        run = record.read(RECORD)
        told = publish.goals_table(run)
        for goal in goals.GOALS:
            self.assertIn(publish.signs(goal.what), told)
        told = publish.scenarios(run)
        for result in run["scenarios"]:
            self.assertIn(result["title"], told)
        self.assertIn(publish.beside_debezium(run), publish.readme(run))


if __name__ == "__main__":
    unittest.main()
