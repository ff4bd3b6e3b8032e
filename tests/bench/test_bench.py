"""The measurements run and say what they measured; how long anything takes is judged by whoever reads them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.__main__ import MEASUREMENTS
from bench.report import Figure, percentile
from bench.tasks import CALLS

ROOT = Path(__file__).resolve().parent.parent.parent
RUNS_WITHIN_S = 300


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=RUNS_WITHIN_S
    )


def measured(*names: str) -> dict[str, dict[str, Any]]:
    """What each of these kept; all of them and no other."""
    done = bench(*names, "--quick", "--against", "oidc-provider")
    assert done.returncode == 0, done.stderr
    kept = [ROOT / line.split()[-1] for line in done.stdout.splitlines() if "kept in" in line]
    try:
        documents = {path.name.split("-")[0]: json.loads(path.read_text(encoding="utf-8")) for path in kept}
    finally:
        for path in kept:
            path.unlink()
    assert set(documents) == set(names)
    for name, document in documents.items():
        assert {"at", "rounds", "server", "database", "python", "cores", "load"} <= set(document), name
        for figure in document["figures"]:
            assert min(figure["rounds"]) <= figure["median"] <= max(figure["rounds"])
            assert figure["what"] in done.stdout
    return documents


SMALL, FURTHER = ("pages", "flood"), ("start", "memory", "imports", "letters", "register")
OF_EACH_KIND = ("exchange", "authorize", "static")  # what spends a value, what uses some in turn, what needs none
LARGE = ("persons", "exports", "fund", "grow", "scale")  # seeding them alone takes half a minute


def test_every_page_shows_a_table_and_keeps_its_figures() -> None:
    documents = measured(*SMALL)
    seen = {figure["what"].split()[1] for figure in documents["pages"]["figures"]}
    assert {
        "/", "/{portal}/register/code", "/{portal}/register/email", "/{portal}/register/email-code",
        "/{portal}/register/details", "/{portal}/register/sms", "/{portal}/register/app", "/{portal}/register/done",
        "/{portal}/login", "/{portal}/login/code", "/authorize", "/authorize/resume/…", "/token", "/userinfo", "/jwks",
        "/account", "/logout", "/logout/confirm",
    } <= seen  # fmt: skip


@pytest.mark.parametrize("calls", [OF_EACH_KIND, pytest.param(tuple(CALLS), marks=pytest.mark.long)])
def test_every_call_of_a_portal_shows_a_table_and_keeps_its_figures(calls: tuple[str, ...]) -> None:
    documents = measured(*calls)
    for name, document in documents.items():
        assert any("against oidc-provider" in figure["what"] for figure in document["figures"]), name


def test_a_whole_journey_shows_a_table_and_keeps_its_figures() -> None:
    assert measured("signin")


@pytest.mark.long
@pytest.mark.parametrize("name", [*FURTHER, *LARGE])
def test_every_other_measurement_shows_a_table_and_keeps_its_figures(name: str) -> None:
    assert measured(name)


def test_no_measurement_is_forgotten_here() -> None:
    assert {*SMALL, *FURTHER, *LARGE, "signin"} == set(MEASUREMENTS)


@pytest.mark.long
def test_a_call_is_measured_against_django_oauth_toolkit_and_on_every_database() -> None:
    done = bench(
        "exchange", "--quick", "--against", "django-oauth-toolkit", "--against", "sqlite", "--against", "redis"
    )
    assert done.returncode == 0, done.stderr
    (kept,) = [ROOT / line.split()[-1] for line in done.stdout.splitlines() if "kept in" in line]
    seen = {figure["what"] for figure in json.loads(kept.read_text(encoding="utf-8"))["figures"]}
    kept.unlink()
    assert {
        "RS256, against django-oauth-toolkit", "ES256, Connect on SQLite, against PostgreSQL",
        "ES256, Connect with Redis, against PostgreSQL",
    } <= seen  # fmt: skip


@pytest.mark.no_database
def test_what_is_installed_to_measure_against_is_checked_and_names_no_address() -> None:
    lock = (ROOT / "bench" / "peers" / "django.lock").read_text(encoding="utf-8")
    assert "django-oauth-toolkit==" in lock
    assert "://" not in lock
    assert not re.search(r"\\\n(?!    --hash=sha256:)", lock), "an entry without a hash"
    assert not re.search(r"^[a-z].*[^\\]$", lock, flags=re.MULTILINE), "an entry without a hash"


def test_an_unknown_measurement_is_refused_with_the_known_ones() -> None:
    done = bench("speed")
    assert done.returncode == 2
    assert "pages, memory, start, flood" in done.stderr


@pytest.mark.parametrize(
    ("values", "share", "wanted"),
    [([3.0], 0.95, 3.0), ([float(n) for n in range(1, 101)], 0.95, 95.0), ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0)],
)
def test_a_percentile_is_one_of_the_values(values: list[float], share: float, wanted: float) -> None:
    assert percentile(values, share) == wanted


def test_a_target_is_held_against_the_median() -> None:
    assert Figure("x", "ms", [40.0, 60.0, 45.0], 50).verdict == "met"
    assert Figure("x", "ms", [40.0, 60.0, 55.0], 50).verdict == "MISSED"
    assert Figure("x", "ms", [40.0]).verdict == ""
