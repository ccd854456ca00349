"""Fails when a report holds no browser test that ran, or one that was skipped; else sums them up.

python -m tests.browser.count_report walk.xml [rest.xml ...]
"""

import sys
import xml.etree.ElementTree as ElementTree


def problem(report: str) -> str | None:
    """What is wrong with the JUnit report at this path, or None."""
    cases = [case for case in ElementTree.parse(report).iter("testcase") if "browser" in case.get("classname", "")]
    skipped = [case.get("name") for case in cases if case.find("skipped") is not None]
    if skipped:
        return f"{len(skipped)} browser tests were skipped: {', '.join(skipped[:5])}"
    return None if cases else "no browser test ran"


def closing_line(reports: list[str]) -> str:
    """What pytest would say had it run all of them one after the other."""
    suites = [suite for report in reports for suite in ElementTree.parse(report).iter("testsuite")]
    total = {name: sum(int(suite.get(name, 0)) for suite in suites) for name in ("tests", "skipped")}
    bad = {name: sum(int(suite.get(name, 0)) for suite in suites) for name in ("failures", "errors")}
    passed = total["tests"] - total["skipped"] - sum(bad.values())
    seconds = sum(float(suite.get("time", 0)) for suite in suites)
    parts = [f"{bad['failures']} failed"] * bool(bad["failures"]) + [f"{bad['errors']} errors"] * bool(bad["errors"])
    parts += [f"{passed} passed"] + [f"{total['skipped']} skipped"] * bool(total["skipped"])
    return f"{', '.join(parts)} in {seconds:.2f}s"


if __name__ == "__main__":
    for report in sys.argv[1:]:
        if wrong := problem(report):
            sys.exit(f"{report}: {wrong}")
    sys.stdout.write(closing_line(sys.argv[1:]) + "\n")
