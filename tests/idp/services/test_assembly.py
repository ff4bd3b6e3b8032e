"""Where the database lies does not depend on who asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from idp.models.base import db
from idp.services.assembly import bare_app, build_services
from idp.settings import Settings
from wsgi import create_app


def test_the_command_line_and_the_web_open_the_same_file(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path counts from the folder the process was started in."""
    monkeypatch.chdir(tmp_path)
    services = build_services(Settings.from_environ({**environment, "CONNECT_DATABASE_URL": "sqlite:///here.db"}))
    opened = []
    for app in (bare_app(services), create_app(services=services)):
        with app.app_context():
            opened.append(db.engine.url.database)
            db.engine.dispose()
    assert opened == [str(tmp_path / "here.db")] * 2
