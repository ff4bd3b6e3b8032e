"""The figures for Prometheus: each is documented, and no rule of the example waits for one that is not there."""

from __future__ import annotations

import re

import pytest
import yaml

from idp.services.metric_files import COUNTER, HISTOGRAM
from idp.services.metrics import COUNTED
from idp.services.metrics_shown import SAID
from tests.house.tree import ROOT

pytestmark = pytest.mark.no_database

GUIDE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
RULES = (ROOT / "docs" / "alerts.yml").read_text(encoding="utf-8")
LABEL = re.compile(r"(\w+)=~?\"")
NOT_OURS = {"job", "probe_success"}


def shown() -> dict[str, set[str]]:
    """The name of each figure, as it is asked for, and its labels."""
    suffix = {COUNTER: "_total"}
    found = {metric.name + suffix.get(metric.kind, ""): set(metric.labels) for metric in COUNTED}
    found |= {f"{one.name}_bucket": {*one.labels, "le"} for one in COUNTED if one.kind == HISTOGRAM}
    of_database = {"connect_signing_key_age_seconds": {"alg", "state"}}
    return found | {name: of_database.get(name, {"channel"} if "outbox" in name else set()) for name in SAID}


def test_every_figure_stands_in_the_guide_with_its_labels() -> None:
    for name, labels in shown().items():
        if not name.endswith("_bucket"):
            assert f"`{name}`" in GUIDE, name
            for row in re.findall(rf"^\| `{name}` \| ([^|]*) \|", GUIDE, flags=re.MULTILINE):
                assert {label.strip() for label in row.split(",")} - {""} == labels, name


def test_the_rules_ask_for_figures_and_labels_that_are_there() -> None:
    known = shown()
    groups = yaml.safe_load(RULES)["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) > 10
    for rule in rules:
        assert rule["annotations"]["summary"]
        asked = set(re.findall(r"\b(connect_\w+|probe_success)\b", rule["expr"]))
        assert asked, rule["alert"]
        assert asked - set(known) <= NOT_OURS, rule["alert"]
        labels = set().union(*(known.get(name, set()) for name in asked))
        used = set(LABEL.findall(rule["expr"])) | {
            name.strip() for group in re.findall(r"by \(([^)]*)\)", rule["expr"]) for name in group.split(",")
        }
        assert used - labels <= NOT_OURS, rule["alert"]
