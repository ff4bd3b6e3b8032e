"""`connect config`: what is exported is what is applied, twice is as once, and every fault is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from sqlalchemy import select

from idp.cli.main import main
from idp.errors import BadInput
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.portal import Portal
from idp.services import portal_file
from tests.idp.cli.conftest import CPX, Connect

pytestmark = pytest.mark.sqlite_only
LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 4"><rect width="8" height="4" fill="#a00"/></svg>'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "connect.yaml"


def stored(slug: str) -> Portal:
    db.session.rollback()
    db.session.expire_all()
    return db.session.scalars(select(Portal).where(Portal.slug == slug)).one()


def test_what_is_exported_is_applied_elsewhere_and_twice_is_as_once(
    connect: Connect, file: Path, tmp_path: Path
) -> None:
    logo = tmp_path / "logo.svg"
    logo.write_text(LOGO)
    connect("portal", "add", *CPX, "--logo-svg", logo, "--hours-fr", "8–17", "--second-item", "none")
    connect("portal", "add", *CPX[2:], "--slug", "cpy")
    connect("portal", "disable", "cpy")
    before, said = stored("cpx"), connect("config", "export")
    secrets = (before.client_secret_hash or "", "cc_cs_")
    assert not any(secret in said for secret in secrets)
    assert "require_pkce" not in said, "what is as it is anyway is left out"
    file.write_text(said, encoding="utf-8")
    assert connect("config", "apply", file, "--yes") == "nothing changes\n"
    assert connect("config", "export") == said
    file.write_text(said.replace("cpx:", "cpz:", 1), encoding="utf-8")
    answer = connect("config", "apply", file, "--yes")
    assert "portal cpz (new)" in answer
    assert "not in the file and left alone: cpx" in connect.noted
    assert f"client_id {stored('cpz').client_id}  client_secret cc_cs_" in answer
    assert connect("config", "apply", file, "--yes") == "nothing changes\n"
    again = yaml.safe_load(connect("config", "export"))["portals"]
    assert again["cpz"] == again["cpx"]
    assert again["cpy"]["disabled"] is True


def test_the_difference_is_shown_and_nothing_is_done_without_a_yes(connect: Connect, file: Path) -> None:
    connect("portal", "add", *CPX)
    file.write_text(connect("config", "export").replace("place: Bern", "place: Thun"), encoding="utf-8")
    events = len(db.session.scalars(select(AuditEvent)).all())
    shown = 'portal cpx\n  - place: "Bern"\n  + place: "Thun"\n'
    assert connect("config", "apply", file, "--dry-run") == shown
    asked = CliRunner(env=dict(connect.environment)).invoke(main, ["config", "apply", str(file)], input="n\n")
    assert (asked.exit_code, asked.stdout.startswith(shown)) == (1, True)
    assert stored("cpx").place == "Bern"
    assert len(db.session.scalars(select(AuditEvent)).all()) == events
    asked = CliRunner(env=dict(connect.environment)).invoke(main, ["config", "apply", str(file)], input="y\n")
    assert (asked.exit_code, stored("cpx").place) == (0, "Thun")
    event = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()
    assert event is not None
    assert (event.tag, event.detail["fields"]) == ("operator:portal:change", "place")


def test_what_is_not_in_the_file_has_its_default_but_the_sector_stays(connect: Connect, file: Path) -> None:
    connect("portal", "add", *CPX, "--code-life-days", "60")
    kept = [
        line for line in connect("config", "export").splitlines() if "code_life" not in line and "sector" not in line
    ]
    file.write_text("\n".join(kept).replace("https://cpx.example.ch/callback", "https://new.example.ch/callback"))
    connect("config", "apply", file, "--yes")
    assert (stored("cpx").code_life_days, stored("cpx").sector_identifier) == (30, "cpx.example.ch")
    file.write_text(file.read_text() + "\n    disabled: true\n")
    assert "+ disabled: true" in connect("config", "apply", file, "--yes")
    assert stored("cpx").is_disabled
    file.write_text(file.read_text().replace("disabled: true", "disabled: false"))
    connect("config", "apply", file, "--yes")
    assert not stored("cpx").is_disabled


def test_a_wrong_value_is_told_with_its_line_and_nothing_is_changed(connect: Connect, file: Path) -> None:
    connect("portal", "add", *CPX)
    said = (
        connect("config", "export").replace("place: Bern", "place: Thun")
        + "    code_life_days: 7\n    factors: [sms, x]\n"
    )
    file.write_text(said, encoding="utf-8")
    lines = {line.split(":")[0]: number for number, line in enumerate(said.splitlines(), 1)}
    told = connect.refuses("config", "apply", file, "--yes")
    assert f"line {lines['    code_life_days']}: portals.cpx.code_life_days: " in told
    assert f"line {lines['    factors']}: portals.cpx.factors.1: " in told
    assert stored("cpx").place == "Bern"


WRONG = {
    "": "version", "[]": "version", "version: 1": "portals", "version: 2\nportals: {}": "line 1: version",
    "version: 1\nportals: {}\nx: 1": "line 3: x: is not known",
    "version: 1\nportals:\n  cpx: 1": "line 3: portals.cpx: must be fields",
    "version: 1\nportals:\n  cpx:\n    x: 1": "line 4: portals.cpx.x: is not known",
    "version: 1\nportals:\n  cpx:\n    place: a\n    place: b": "line 5: portals.cpx.place: stands twice",
    "version: 1\nportals:\n  cpx:\n    disabled: 3": "line 4: portals.cpx.disabled",
    "version: 1\nportals:\n  no: {}": "line 3: a key must be a word", "a: &x 1\nb: *x": "line 1: anchors",
    "a: !!python/object:os.system x": "line 1: anchors", "a: [": "line 1:", "a: 1\n b: 2": "line 2:",
    "a: 1\n---\nb: 2": "line 2:", "a: \t\x00": "no YAML", "[" * 5000: "no YAML", "? [a]\n: 1": "line 1",
    "a: 2026-02-31": "no YAML",
}  # fmt: skip


@pytest.mark.no_database
@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_a_file_that_is_none_is_told_so_and_where(text: str) -> None:
    with pytest.raises(BadInput) as told:
        portal_file.read(text)
    assert WRONG[text] in told.value.message


@pytest.mark.no_database
@pytest.mark.parametrize(
    ("shell", "mark"), [("bash", "complete -o"), ("zsh", "compdef"), ("fish", "complete --no-files")]
)
def test_a_shell_gets_its_completion(shell: str, mark: str) -> None:
    said = CliRunner().invoke(main, ["completion", shell])
    assert said.exit_code == 0
    assert mark in said.stdout
    assert "_CONNECT_COMPLETE" in said.stdout
    asked = CliRunner().invoke(main, [], env={
        "_CONNECT_COMPLETE": f"{shell}_complete", "COMP_WORDS": "connect portal a",
        "COMP_CWORD": "a" if shell == "fish" else "2",
    }, prog_name="connect")  # fmt: skip
    assert "add" in asked.stdout
