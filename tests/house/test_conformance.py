"""The table of the certification modules names what the plans ask and what the tests run, neither more nor less."""

from __future__ import annotations

import ast
import re

import pytest

from tests.conformance.plans import BY_RULE, PLANS, Plan, restated_by
from tests.conformance.table import TABLE, Results, document, place

FOLDER = TABLE.parent.parent / "tests" / "conformance"


def names_in(files: tuple[str, ...]) -> list[str]:
    trees = [ast.parse((FOLDER / f"{file}.py").read_text(encoding="utf-8")) for file in files]
    functions = [node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [name for name in functions if name.startswith("test_")]


def all_passed() -> Results:
    return {
        (name, variant): {"passed"} for plan in PLANS for name in names_in(plan.files) for variant in ("", plan.variant)
    }


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"{plan.name}-{plan.variant}")
def test_every_module_of_a_plan_is_a_test_of_its_name(plan: Plan) -> None:
    names = names_in(plan.files)
    assert [names.count(restated_by(module)) for module in plan.modules] == [1] * len(plan.modules)
    assert len({restated_by(module) for module in plan.modules}) == len(plan.modules)


def test_every_test_named_like_a_module_is_one() -> None:
    known = {restated_by(module) for plan in PLANS for module in plan.modules}
    named = {name for plan in PLANS for name in names_in(plan.files) if name.startswith("test_oidcc_")}
    assert named - known == set()


def test_the_committed_table_is_the_one_of_these_modules_and_all_of_them_pass() -> None:
    text = TABLE.read_text(encoding="utf-8")
    assert text == document(all_passed()), "renew it: .venv/bin/python -m tests.conformance.table"
    rows = re.findall(r"^\| (oidcc|fapi2)-", text, flags=re.MULTILINE)
    assert len(rows) == sum(len(plan.modules) for plan in PLANS)


def test_what_a_rule_skips_belongs_to_a_plan() -> None:
    assert set(BY_RULE) <= {module for plan in PLANS for module in plan.modules}


def test_a_module_that_failed_or_did_not_run_does_not_pass_in_the_table() -> None:
    plan, module = PLANS[1], PLANS[1].modules[0]
    results = all_passed()
    results[restated_by(module), plan.variant].add("failed")
    assert f"| {module} | failed |" in document(results)
    del results[restated_by(module), plan.variant]
    assert f"| {module} | missing |" in document(results)


def test_a_run_of_a_test_is_counted_for_its_variant() -> None:
    file = "tests/conformance/test_fapi2_security.py"
    assert place(f"{file}::test_happy_flow[signed-1]") == ("test_happy_flow", "signed")
    assert place("tests/conformance/test_oidcc_basic.py::test_oidcc_server[form_post]")[1] == "form_post"
    assert place("tests/conformance/test_oidcc_logout.py::test_oidcc_rp_initiated_logout")[1] == ""
