"""How long portals wait for tokens while 200 wrong sign-ins are in flight, against without, in turns in one run."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from urllib.parse import urlencode, urlsplit

import requests

from bench.report import Figure, Report, circumstances, percentile
from bench.walk import Place, place
from flows.journeys import LOGIN
from idp.models.base import db
from tests.support.prepared import Stand, stand
from tests.support.relying_party import PORTAL_SECRET
from tests.support.walks import add_account

IN_FLIGHT, TARGET_MS = 200, 200
ROUNDS, SECONDS = 7, 5.0
QUICK_ROUNDS, QUICK_SECONDS = 1, 0.4
RISES_IN_S = 0.5
PRODUCTION = {
    "CONNECT_ARGON2_MEMORY_KIB": "19456", "CONNECT_ARGON2_PASSES": "2", "CONNECT_TRUSTED_PROXIES": "1",
    "CONNECT_SIGN_INS_PER_HOUR": "1000000",
}  # fmt: skip
OWNER = "owner@example.ch"


def _wrong_sign_in(at: Place, one: Stand, number: int) -> str:
    """The whole request, with a place for the nonce that tells a new click from a double one."""
    email = OWNER if number % 2 else f"nobody{number}@example.ch"
    token = at.services.vault.mac("csrf", one.secret)
    form = urlencode({"csrf_token": token, "email": email, "password": "wrong wrong wrong"}) + "&nonce=NONCE"
    return (
        f"POST {one.address} HTTP/1.1\nHost: {urlsplit(at.issuer).netloc}\nOrigin: {at.issuer}\n"
        f"Cookie: connect_browser={one.secret}\nX-Forwarded-For: 192.0.2.{number}\nConnection: close\n"
        f"Content-Type: application/x-www-form-urlencoded\n\n{form}"
    )


def _flood(at: Place, forms: list[str], seconds: float) -> subprocess.Popen[str]:
    kept = at.folder / "flood.json"
    kept.write_text(json.dumps(forms), encoding="utf-8")
    command = [sys.executable, "-m", "bench.wave", at.issuer.rpartition(":")[2], str(seconds), str(kept)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _tokens(at: Place, seconds: float) -> list[float]:
    """Milliseconds of each client-credentials exchange, one after the other."""
    taken, ends_at = [], time.monotonic() + seconds
    with requests.Session() as http:
        http.trust_env = False
        while time.monotonic() < ends_at:
            answer = http.post(
                f"{at.issuer}/token", data={"grant_type": "client_credentials"},
                auth=(at.portals[0].client_id, PORTAL_SECRET), timeout=60,
            )  # fmt: skip
            answer.raise_for_status()
            taken.append(answer.elapsed.total_seconds() * 1000)
    return taken


def measure(*, quick: bool) -> Report:
    rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if quick else (ROUNDS, SECONDS)
    alone: list[float] = []
    beside: list[float] = []
    refused: list[float] = []
    with place(**PRODUCTION) as at:
        portal = at.portals[0]
        portal.grant_types, portal.resources = ["client_credentials"], ["https://api.cpx.example.ch/v1"]
        add_account(at.services, portal, OWNER)
        forms = [
            _wrong_sign_in(at, stand(at.services, portal, LOGIN, "credentials"), number) for number in range(IN_FLIGHT)
        ]
        db.session.commit()
        at.start("--blocking-threads", "8")
        _tokens(at, seconds)  # connections are open, keys are read
        for _ in range(rounds):
            alone.append(percentile(_tokens(at, seconds), 0.95))
            wave = _flood(at, forms, seconds + 2 * RISES_IN_S)
            time.sleep(RISES_IN_S)
            beside.append(percentile(_tokens(at, seconds), 0.95))
            answered = json.loads(wave.communicate()[0])
            if set(answered) - {"303", "503"}:
                raise RuntimeError(f"the flood was answered by {sorted(answered)}")
            refused.append(100 * answered.get("503", 0) / sum(answered.values()))
    ratios = [slow / fast for slow, fast in zip(beside, alone, strict=True)]
    report = Report("flood", circumstances(rounds=rounds, flood=IN_FLIGHT, argon2="19 MiB, 2 passes", figures="p95"))
    report.figures = [
        Figure("token without a flood", "ms", alone),
        Figure("token beside the flood", "ms", beside, TARGET_MS),
        Figure("beside the flood against without", "×", ratios),
        Figure("wrong sign-ins refused for want of a place", "%", refused),
    ]
    return report
