"""Runs every module of the certification plans and writes their results to docs/conformance.md.

python -m tests.conformance.table
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
TABLE = ROOT / "docs" / "conformance.md"
PLANS = {
    "test_oidcc_config": "oidcc-config-certification-test-plan",
    "test_oidcc_basic": "oidcc-basic- and oidcc-formpost-basic-certification-test-plan",
    "test_oidcc_logout": "oidcc-rp-initiated-logout- and oidcc-backchannel-rp-initiated-logout-certification-test-plan",
    "test_oidcc_third_party": "oidcc-3rdparty-init-login-certification-test-plan",
    "test_fapi2_security": "fapi2-security-profile-final-test-plan (private_key_jwt, DPoP, openid_connect, plain_fapi)",
    "test_fapi2_messages": "fapi2-message-signing-final-test-plan (JAR and JARM)",
}
BY_RULE = {
    "oidcc-idtoken-unsigned": "skipped by rule: `none` is not offered",
    "oidcc-scope-address": "skipped by rule: the scope is not offered, portals do not get the address from us",
    "oidcc-request-uri-unsigned": "skipped by rule: refused with `request_uri_not_supported`",
    "oidcc-unsigned-request-object": "skipped by rule: refused with `request_not_supported`",
}
HEAD = """# Conformance

Each module of the OpenID Foundation's certification plans that this provider aims at, restated in our own words in
`tests/conformance/` and run over real HTTPS with a real browser. This is our own run, not a certification.
`python -m tests.conformance.table` runs them all and writes this file.
"""


def module_name(nodeid: str) -> str:
    """The module's name, and its variant in parentheses."""
    function, _, variant = nodeid.rpartition("::")[2].partition("[")
    name = function.removeprefix("test_").replace("_", "-")
    return f"{name} ({variant.removesuffix(']')})" if variant else name


class Recorder:
    """What pytest tells of each module."""

    def __init__(self) -> None:
        self.results: dict[str, list[tuple[str, str]]] = {plan: [] for plan in PLANS}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        plan = Path(report.nodeid.split("::")[0]).stem
        if plan in self.results and (report.when == "call" or report.failed):
            self.results[plan].append((module_name(report.nodeid), report.outcome))


def rows(results: dict[str, list[tuple[str, str]]]) -> str:
    lines = [HEAD]
    for plan, modules in results.items():
        lines += [f"## {PLANS[plan]}", "", "| Module | Result |", "| --- | --- |"]
        for name, outcome in modules:
            rule = next((words for start, words in BY_RULE.items() if name.startswith(start)), None)
            lines.append(f"| {name} | {rule if rule and outcome == 'passed' else outcome} |")
        lines.append("")
    return "\n".join(lines)


def main() -> int:
    recorder = Recorder()
    code = pytest.main(["-q", "tests/conformance", "-p", "no:cacheprovider"], plugins=[recorder])
    TABLE.write_text(rows(recorder.results), encoding="utf-8")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
