"""Fails when a test report holds no browser test that ran, or one that was skipped. Says nothing when all is well.

python -m tests.browser.count_report report.xml
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


if __name__ == "__main__":
    sys.exit(problem(sys.argv[1]))
