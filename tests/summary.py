"""Adds up what the test runners wrote: the closing line and the exit status of tests/run.sh.

Usage: summary.py FOLDER with unit-*.xml (CTest), e2e-*.xml (pytest) and steps ("pass NAME", "fail NAME" or
"skip NAME: WHY" a line).
A Check program counts as many tests as it has checks. A result file that is missing or empty is a failure."""
import os
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

CHECK_LINE = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)", re.M)


class Sum:
    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []

    def add_unit(self, case, preset):
        name = f"{preset}: {case.get('name')}"
        output = "".join(case.itertext())
        checks = [tuple(map(int, found)) for found in CHECK_LINE.findall(output)]
        bad = sum(failures + errors for _, failures, errors in checks)
        good = sum(total for total, _, _ in checks) - bad
        if case.get("status") == "run":
            self.passed += good if checks else 1
            if checks and good == 0:
                self.failed.append(f"{name} (ran no check)")
        else:
            self.passed += good
            self.failed.extend([name] * max(bad, 1))

    def add_e2e(self, case, preset):
        name = f"{preset}: {case.get('classname')}.{case.get('name')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            self.failed.append(name)
        elif skipped is not None:
            self.skipped.append(f"{name}: {skipped.get('message')}")
        else:
            self.passed += 1


def main(folder):
    total = Sum()
    for file in sorted(folder.glob("*.xml")):
        kind, preset = file.stem.split("-", 1)
        try:
            cases = list(ElementTree.parse(file).getroot().iter("testcase"))
        except ElementTree.ParseError:
            cases = []
        if not cases:
            total.failed.append(f"{file.stem}: no test ran")
        for case in cases:
            (total.add_unit if kind == "unit" else total.add_e2e)(case, preset)
    steps = folder / "steps"
    for line in steps.read_text().splitlines() if steps.exists() else []:
        verdict, name = line.split(" ", 1)
        if verdict == "pass":
            total.passed += 1
        elif verdict == "skip":
            total.skipped.append(name)
        else:
            total.failed.append(name)
    if not list(folder.glob("unit-*.xml")) or not list(folder.glob("e2e-*.xml")):
        total.failed.append("a test runner left no result")

    for name in total.failed:
        print(f"FAILED  {name}")
    for name in total.skipped:
        print(f"SKIPPED {name}")
    refused = bool(os.environ.get("CI")) and bool(total.skipped)
    if refused:
        print("CI is set: a skipped test is a failure")
    failed = len(total.failed) + (len(total.skipped) if refused else 0)
    skipped = 0 if refused else len(total.skipped)
    print(f"{total.passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
