"""`connect key` and `connect db`: the first steps of an installation, and its keys afterwards."""

from __future__ import annotations

import base64
from collections import Counter
from datetime import timedelta
from pathlib import Path

from idp.clock import SystemClock, swiss
from keys.jwk import ALGORITHMS
from tests.idp.cli.conftest import Connect


def states(connect: Connect) -> Counter[tuple[str, ...]]:
    return Counter(tuple(line.split()[:2]) for line in connect("key", "list").splitlines())


def test_a_master_key_is_printed_without_any_configuration() -> None:
    bare = Connect({})
    first, second = bare("key", "new-master").strip(), bare("key", "new-master").strip()
    assert len(base64.b64decode(first, validate=True)) == 32
    assert first != second


def test_the_schema_is_made_once(fresh: Connect) -> None:
    assert fresh("db", "upgrade").endswith(", was empty\n")
    assert fresh("db", "upgrade").endswith(" already\n")


def test_the_first_rotation_makes_the_keys_and_the_next_moves_them_on(fresh: Connect) -> None:
    fresh("db", "upgrade")
    assert states(fresh) == {}
    assert len(fresh("key", "rotate").splitlines()) == len(ALGORITHMS)
    assert states(fresh) == {(alg, state): 1 for alg in ALGORITHMS for state in ("active", "next")}
    (announced,) = [line.split()[-1] for line in fresh("key", "list").splitlines() if line.startswith("ES256  next")]
    assert fresh("key", "rotate", "--alg", "ES256") == f"now signing: {announced}\n"
    assert fresh.noted.startswith("note: ES256: announced less than a day ago")
    after = states(fresh)
    assert after["ES256", "retiring"] == after["ES256", "active"] == after["ES256", "next"] == 1
    assert after["RS256", "retiring"] == 0
    fresh.refuses("key", "rotate", "--alg", "none", code=2)


def test_before_the_schema_every_command_says_what_to_do(fresh: Connect, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.touch()
    for words in (
        ("key", "list"), ("key", "rotate"), ("portal", "list"), ("portal", "show", "x"), ("outbox", "list"),
        ("outbox", "retry"), ("code", "list", "--portal", "x"), ("person", "import", file, "--portal", "x"),
    ):  # fmt: skip
        told = fresh.refuses(*words, code=3)
        assert told.startswith("database: no such table")
        assert "connect db upgrade" in told


def test_a_database_that_is_not_there_is_told(fresh: Connect) -> None:
    fresh.environment["CONNECT_DATABASE_URL"] = "sqlite:////nowhere/at/all.db"
    assert "unable to open database file" in fresh.refuses("db", "upgrade", code=3)
    fresh.environment["CONNECT_DATABASE_URL"] = "postgresql+psycopg://connect:hunter2@127.0.0.1:9/connect"
    told = fresh.refuses("portal", "list", code=3)
    assert "onnection refused" in told
    assert "hunter2" not in told


def test_wrong_settings_are_told_all_at_once_by_every_command(fresh: Connect) -> None:
    fresh.environment |= {"CONNECT_ISSUER": "http://connect.example.ch", "CONNECT_COLOUR": "red"}
    for words in (("db", "upgrade"), ("key", "list"), ("check",), ("worker",), ("portal", "list")):
        told = fresh.refuses(*words, code=2)
        assert "CONNECT_COLOUR: there is no such setting" in told
        assert "CONNECT_ISSUER: must be https" in told


def test_a_master_key_that_cannot_be_had_is_told(fresh: Connect) -> None:
    del fresh.environment["CONNECT_MASTER_KEY"]
    assert "set exactly one of the three" in fresh.refuses("check", code=2)
    fresh.environment["CONNECT_MASTER_KEY_COMMAND"] = "false"
    assert fresh.refuses("check", code=2) == "the command of the master key failed\n"
    fresh.environment["CONNECT_MASTER_KEY_COMMAND"] = "echo c2hvcnQ="
    assert fresh.refuses("check", code=2) == "the master key must be 32 bytes, not 5\n"


def test_a_rotation_is_planned_for_a_day_and_left_to_the_age_again(connect: Connect, signing_keys: None) -> None:
    connect("key", "rotate")
    day = (swiss(SystemClock().now()).date() + timedelta(days=30)).isoformat()
    assert connect("key", "plan", "--on", day, "--alg", "ES256") == "ES256\n"
    lines = [line for line in connect("key", "list").splitlines() if line.endswith(f"until {day}")]
    assert [line.split()[:2] for line in lines] == [["ES256", "active"]]
    assert len(connect("key", "plan").split()) == len(ALGORITHMS)
    assert f"until {day}" not in connect("key", "list")
    assert "at most 400 days" in connect.refuses("key", "plan", "--on", "2020-01-01")
