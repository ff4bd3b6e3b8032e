"""`connect settings` and the settings of `connect config`: by the console's service, faults all at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from sqlalchemy import select

from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.services.bundle import Services
from tests.idp.cli.conftest import CPX, Connect

pytestmark = pytest.mark.sqlite_only


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "connect.yaml"


def shown(connect: Connect, name: str) -> str:
    return next(line for line in connect("settings", "show").splitlines() if line.startswith(f"{name}="))


def test_a_setting_is_chosen_shown_and_put_back(connect: Connect, services: Services) -> None:
    connect.environment["CONNECT_SMS_PER_DAY"] = "900"
    assert shown(connect, "sms_per_day") == "sms_per_day=900  (environment)"
    assert shown(connect, "sms_code_for") == "sms_code_for=600  (default)"
    said = connect("settings", "set", "sms_code_for=300", "CONNECT_SMS_PER_DAY=7")
    assert said.splitlines()[:2] == ["sms_code_for: 10 min → 5 min", "sms_per_day: 900 → 7"]
    services.live.refresh()
    assert services.settings.sms_per_day == 7, "a running process follows"
    assert shown(connect, "sms_per_day").startswith("sms_per_day=7  (chosen ")
    assert shown(connect, "sms_per_day").endswith(", else 900)")
    assert connect("settings", "set", "sms_per_day=7") == "nothing changes\n"
    said = connect("settings", "reset", "sms_per_day", "sms_price")
    assert said.splitlines()[:-1] == ["sms_per_day: 7 → 900 (CONNECT_SMS_PER_DAY)"]
    assert shown(connect, "sms_per_day") == "sms_per_day=900  (environment)"
    tags = [event.tag for event in db.session.scalars(select(AuditEvent))]
    assert tags == ["operator:settings:change"] * 2


def test_every_fault_is_told_and_nothing_is_done(connect: Connect) -> None:
    said = connect.refuses("settings", "set", "sms_code_for=5", "sms_first=fallback", "issuer=https://x.example.ch")
    assert [line.split(":")[0] for line in said.splitlines()] == [
        "CONNECT_ISSUER", "CONNECT_SMS_CODE_FOR", "CONNECT_SMS_FIRST",
    ]  # fmt: skip
    assert connect.refuses("settings", "set", "sms_price") == "sms_price: write NAME=VALUE\n"
    assert "chosen" not in connect("settings", "show")


def test_the_file_holds_the_choices_and_applying_it_makes_them(connect: Connect, file: Path) -> None:
    connect("portal", "add", *CPX)
    connect("settings", "set", "sms_code_for=300", "sms_countries=ch,li")
    said = connect("config", "export")
    assert yaml.safe_load(said)["settings"] == {"sms_code_for": "300", "sms_countries": "CH,LI"}
    assert "settings" not in yaml.safe_load(connect("config", "export", "--portal", "cpx"))
    file.write_text(said, encoding="utf-8")
    assert connect("config", "apply", file, "--yes") == "nothing changes\n"
    connect("settings", "reset", "sms_code_for")
    connect("settings", "set", "sms_per_day=7")
    assert connect("config", "apply", file, "--dry-run").splitlines() == [
        "setting sms_per_day", "  - 7", "  + 20000 (CONNECT_SMS_PER_DAY)",
        "setting sms_code_for", "  - 10 min", "  + 5 min",
    ]  # fmt: skip
    assert connect("config", "apply", file, "--yes").splitlines()[-1] == "2 settings changed"
    assert connect("config", "export") == said
    file.write_text("version: 1\nportals: {}\n", encoding="utf-8")
    assert connect("config", "apply", file, "--yes") == "nothing changes\n", "no settings in it, none changed"
    file.write_text("version: 1\nsettings: {}\nportals: {}\n", encoding="utf-8")
    connect("config", "apply", file, "--yes")
    assert "chosen" not in connect("settings", "show")


def test_faults_of_settings_and_portals_are_told_together_with_their_lines(connect: Connect, file: Path) -> None:
    file.write_text(
        "version: 1\nsettings:\n  sms_code_for: 5\n  issuer: x\nportals:\n  cpx:\n    short_name: X\n", encoding="utf-8"
    )
    said = connect.refuses("config", "apply", file, "--yes")
    assert "line 4: settings.issuer: cannot be changed here" in said
    assert "portals.cpx.phone" in said
    file.write_text("version: 1\nsettings:\n  sms_code_for: [5]\nportals: {}\n", encoding="utf-8")
    assert "line 3: settings.sms_code_for: must be one value" in connect.refuses("config", "apply", file, "--yes")
    file.write_text("version: 1\nsettings: 5\nportals: {}\n", encoding="utf-8")
    assert "line 2: settings: must be values" in connect.refuses("config", "apply", file, "--yes")


def test_a_portal_that_cannot_be_made_leaves_the_settings_as_they_were(connect: Connect, file: Path) -> None:
    connect("portal", "add", *CPX)
    words = connect("config", "export").replace("settings: {}", "settings:\n  sms_per_day: 7")
    file.write_text(words.replace("home_url: https://cpx.example.ch/", "home_url: nowhere"), encoding="utf-8")
    connect.refuses("config", "apply", file, "--yes")
    assert "chosen" not in connect("settings", "show")
