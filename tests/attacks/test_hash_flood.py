"""R-14, ASVS 15.2.2: two hundred wrong sign-ins at once; everything else goes on, and nothing of them stays behind."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
import requests
from sqlalchemy import func, select

from flows.journeys import LOGIN
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.audit import AuditTag
from idp.services.bundle import Services
from tests.actions import PASSWORD
from tests.support.builders import add_portal
from tests.support.person import newest_code
from tests.support.ports import five_free_ports
from tests.support.prepared import Stand, stand
from tests.support.relying_party import PORTAL_SECRET
from tests.support.served import RemotePerson, granian, inside, installation
from tests.support.walks import add_account

pytestmark = [pytest.mark.no_database]

GUESSES = 200
OWNER = "owner@example.ch"
LARGEST_GROWTH_MB = 60  # threads and buffers; 200 hashes at once would be 3,800


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, int, Services]]:
    """Issuer, process and services of one web process as the README starts it, hashing at production's cost."""
    issuer = f"http://localhost:{five_free_ports()}"
    environ = installation(
        tmp_path, issuer, CONNECT_ARGON2_MEMORY_KIB="19456", CONNECT_ARGON2_PASSES="2", CONNECT_TRUSTED_PROXIES="1",
    )  # fmt: skip
    with inside(environ) as services:
        web = granian(environ, tmp_path / "web.log", None, "--blocking-threads", "8", "--log-level", "warning")
        (worker,) = Path(f"/proc/{web.pid}/task/{web.pid}/children").read_text().split()
        yield issuer, int(worker), services
        web.stop()


def guess(issuer: str, one: Stand, services: Services, number: int) -> requests.Response:
    """One wrong password of a network of its own, for somebody or nobody."""
    email = OWNER if number % 2 else f"nobody{number}@example.ch"
    form = {
        "csrf_token": services.vault.mac("csrf", one.secret), "nonce": f"n{number}", "email": email,
        "password": f"wrong wrong {number}",
    }  # fmt: skip
    headers = {
        "Origin": issuer, "Cookie": f"connect_browser={one.secret}", "X-Forwarded-For": f"192.0.2.{number}",
        "Accept-Language": "de",
    }  # fmt: skip
    return requests.post(issuer + one.address, data=form, headers=headers, allow_redirects=False, timeout=60)


def others(issuer: str, portal: Portal) -> dict[str, int]:
    """What portals and other people ask for meanwhile, with how it is answered."""
    form = {"grant_type": "refresh_token", "refresh_token": "cc_rt_unknown"}
    token = requests.post(f"{issuer}/token", data=form, auth=(portal.client_id, PORTAL_SECRET), timeout=60)
    paths = ("/cpx/login", "/static/connect.css", "/jwks", "/readyz", "/help")
    return {"/token": token.status_code} | {path: requests.get(issuer + path, timeout=60).status_code for path in paths}


@contextmanager
def asking(issuer: str, portal: Portal) -> Iterator[list[dict[str, int]]]:
    """Ask for all of it, again and again, until the flood is over."""
    seen: list[dict[str, int]] = []
    is_over = Event()

    def ask() -> None:
        while not is_over.is_set():
            seen.append(others(issuer, portal))

    thread = Thread(target=ask)
    thread.start()
    yield seen
    is_over.set()
    thread.join(60)


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024


def judged() -> int:
    db.session.rollback()
    refused = select(func.count()).select_from(AuditEvent).where(AuditEvent.tag == AuditTag.PASSWORD_REFUSED.value)
    return db.session.scalar(refused) or 0


def test_a_flood_of_wrong_sign_ins_is_answered_and_nobody_else_waits(served: tuple[str, int, Services]) -> None:
    issuer, worker, services = served
    portal = add_portal(client_secret_hash=services.vault.mac("client-secret", PORTAL_SECRET))
    add_account(services, portal, OWNER)
    stands = [stand(services, portal, LOGIN, "credentials") for _ in range(GUESSES)]
    db.session.commit()
    wanted = others(issuer, portal)
    before = resident_mb(worker)
    with ThreadPoolExecutor(GUESSES) as pool, asking(issuer, portal) as seen:
        answers = list(pool.map(lambda at: guess(issuer, stands[at], services, at), range(GUESSES)))
    found = Counter(answer.status_code for answer in answers)
    assert set(found) == {303, 503}
    assert found[503] > GUESSES // 2
    assert len(seen) > 1
    assert all(one == wanted for one in seen)
    for number, answer in enumerate(answers):
        if answer.status_code == 503:
            assert answer.headers["Retry-After"] == "3"
            email = OWNER if number % 2 else f"nobody{number}@example.ch"
            assert re.search(rf'name="email" type="email" value="{email}"', answer.text)
            assert "Nichts ist verloren" in answer.text
    assert judged() <= found[303]
    assert resident_mb(worker) - before < LARGEST_GROWTH_MB
    owner = RemotePerson(issuer)
    owner.http.headers["X-Forwarded-For"] = "198.51.100.7"
    owner.open("/cpx/login")
    db.session.execute(db.text("DELETE FROM attempt_counter"))  # the guesses that were judged may have begun a pause
    db.session.commit()
    owner.submit(email=OWNER, password=PASSWORD)
    assert owner.title == "Saisissez le code SMS"
    owner.submit(otp=newest_code("sms"))
    assert owner.address.startswith(portal.home_url)
