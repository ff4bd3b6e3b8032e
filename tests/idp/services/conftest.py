"""What tests of delivery share: an authority, and an office on a fresh database."""

from __future__ import annotations

import pytest
from flask import Flask

from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.support.authority import Authority
from tests.support.office import Office


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def office(app: Flask, services: Services, environment: dict[str, str], portal: Portal) -> Office:
    return Office(app, services, environment, portal)
