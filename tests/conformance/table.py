"""Runs every module of the certification plans and writes their results to docs/conformance.md.

python -m tests.conformance.table
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.conformance.plans import BY_RULE, PLANS, Plan, restated_by

ROOT = Path(__file__).resolve().parent.parent.parent
TABLE = ROOT / "docs" / "conformance.md"
HEAD = """# Conformance

Each module of the OpenID Foundation's certification plans that this provider aims at, restated in our own words in
`tests/conformance/` and run over real HTTPS with a real browser. This is our own run, not a certification.
`python -m tests.conformance.table` runs them all and writes this file.

Not aimed at, and said so in the metadata: implicit and hybrid flows, request objects by reference, front-channel
logout, session management, and the plan of the Dynamic OP, which asks for them.
"""

Results = dict[tuple[str, str], set[str]]


def place(nodeid: str) -> tuple[str, str]:
    """Name and variant of a test that ran."""
    function, _, parameters = nodeid.rpartition("::")[2].partition("[")
    chosen = {plan.variant for plan in PLANS if plan.variant} & set(parameters.removesuffix("]").split("-"))
    return function, next(iter(chosen), "")


class Recorder:
    """What pytest tells of each test, and of every run of one that has parameters."""

    def __init__(self) -> None:
        self.results: Results = defaultdict(set)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.failed:
            self.results[place(report.nodeid)].add(report.outcome)


def result(plan: Plan, module: str, results: Results) -> str:
    outcomes = results.get((restated_by(module), plan.variant), {"missing"})
    if outcomes != {"passed"}:
        return ", ".join(sorted(outcomes - {"passed"}))
    return f"skipped by rule: {BY_RULE[module]}" if module in BY_RULE else "passed"


def document(results: Results) -> str:
    lines = [HEAD]
    for plan in PLANS:
        heading = f"## {plan.name}" + (f": {plan.said}" if plan.said else "")
        lines += [heading, "", "| Module | Result |", "| --- | --- |"]
        lines += [f"| {module} | {result(plan, module, results)} |" for module in plan.modules]
        lines.append("")
    return "\n".join(lines)


def main() -> int:
    recorder = Recorder()
    code = pytest.main(["-q", "--every-engine", "tests/conformance", "-p", "no:cacheprovider"], plugins=[recorder])
    TABLE.write_text(document(recorder.results), encoding="utf-8")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
