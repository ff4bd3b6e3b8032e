"""What is timed is what it is taken for: threads on their core, answers that were looked at, ratios right way up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bench import portal_calls
from bench.load import Answered, Call, drive
from bench.peers import CLIENTS, OIDC_PROVIDER_PATHS
from bench.report import pin
from bench.sides import ES256, Client, Side
from bench.tasks import CALLS, DURABLE, look

pytestmark = pytest.mark.no_database
THREADS = "import threading, time; [threading.Thread(target=time.sleep, args=(60,)).start() for _ in range(3)]; print()"


@pytest.mark.skipif((os.cpu_count() or 1) == 1, reason="on one core there is nothing to choose")
def test_every_thread_of_a_process_is_kept_on_its_core() -> None:
    with subprocess.Popen([sys.executable, "-uc", THREADS], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        pin(process.pid, 1)
        threads = [int(task.name) for task in Path(f"/proc/{process.pid}/task").iterdir()]
        allowed = {tuple(os.sched_getaffinity(thread)) for thread in threads}
        process.kill()
    assert (len(threads), allowed) == (4, {(1,)})


@contextmanager
def answering(status: int, body: Any, location: str = "") -> Iterator[Side]:
    """A provider that always says the same."""

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            told = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Location", location)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: what is asked stands in the test."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        paths = dict.fromkeys(("token", "userinfo", "introspect", "par", "authorize", "discovery", "jwks"), "/x")
        client = Client("cpx", "https://cpx.example.ch/callback")
        try:
            yield Side("a peer", f"http://localhost:{server.server_port}", paths, {"ES256": client}, lambda *_: [])
        finally:
            server.shutdown()


UNSIGNED = {"id_token": "e30.e30.", "access_token": "a", "refresh_token": "r", "keys": []}
WRONG = [
    ("exchange", 200, UNSIGNED, ""), ("exchange", 400, {"error": "invalid_grant"}, ""),
    ("refresh", 200, UNSIGNED, ""), ("credentials", 200, {"access_token": "a.b.c", "token_type": "Bearer"}, ""),
    ("userinfo", 200, {"sub": "s", "family_name": "Muster", "email_verified": True}, ""),
    ("introspect", 200, {"active": False}, ""), ("par", 200, {"request_uri": "urn:x", "expires_in": 60}, ""),
    ("authorize", 303, {}, "https://cpx.example.ch/callback?error=login_required&state=s"),
    ("static", 200, {"token_endpoint": "https://elsewhere.example.ch/token"}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "status", "body", "location"), WRONG)
def test_a_wrong_answer_is_no_measurement(name: str, status: int, body: dict[str, Any], location: str) -> None:
    with answering(status, body, location) as side, pytest.raises(RuntimeError, match="answered wrongly by a peer"):
        look(CALLS[name][0], side, "ES256", "value")


def test_a_redirect_to_elsewhere_is_counted_as_a_refusal() -> None:
    with answering(303, {}, "/login") as side:
        assert drive(side.origin, Call("GET", "/x"), seconds=1, core=1).per_second
        with pytest.raises(RuntimeError, match=r"'refused': [1-9]"):
            drive(side.origin, Call("GET", "/x", shows="code="), seconds=1, core=1)


def test_a_run_for_which_the_codes_do_not_last_is_no_measurement(tmp_path: Path) -> None:
    (tmp_path / "values").write_text("one\ntwo\nthree\n")
    call = Call("POST", "/x", body="code=VALUE", values=tmp_path / "values")
    with answering(200, {}) as side, pytest.raises(RuntimeError, match="'short': 1"):
        drive(side.origin, call, seconds=1, core=1)


def test_a_ratio_above_one_says_that_connect_answers_more_and_a_tail_below_one_that_it_answers_sooner() -> None:
    found = {"Connect": [Answered(300, 1, 5)], "oidc-provider": [Answered(200, 1, 20)]}
    ratios = {
        figure.what: (figure.median, figure.verdict)
        for figure in portal_calls._figures("", CALLS["exchange"][0], found)
    }
    assert ratios["against oidc-provider"] == (1.5, "met")
    assert ratios["p99 against oidc-provider"] == (0.25, "met")


def test_a_target_counts_against_the_peer_that_loses_nothing_too_where_something_is_written() -> None:
    found = {"Connect": [Answered(300, 1, 5)], DURABLE: [Answered(200, 1, 20)]}
    ratios = {
        figure.what: (figure.median, figure.verdict)
        for figure in portal_calls._figures("", CALLS["exchange"][0], found)
    }
    assert ratios == {
        "Connect": (300, ""), "Connect, p99": (5, ""), DURABLE: (200, ""), f"{DURABLE}, p99": (20, ""),
        f"against {DURABLE}": (1.5, "met"), f"p99 against {DURABLE}": (0.25, "met"),
    }  # fmt: skip
    peer = Side(DURABLE, "", OIDC_PROVIDER_PATHS, CLIENTS, lambda *_: [])
    measured = {name for name, tasks in CALLS.items() for task in tasks if portal_calls._can(peer, task, ES256)}
    assert measured == {"exchange", "refresh", "credentials", "par", "authorize"}
