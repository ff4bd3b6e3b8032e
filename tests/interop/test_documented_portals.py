"""The set-ups of docs/portals.md for Node and Python, run as they stand there, from sign-in to sign-out."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, jsonify, session
from werkzeug.serving import make_server

from tests.interop.conftest import EMAIL, Connect, Registered
from tests.interop.document import set_up
from tests.interop.node_party import FOLDER, install
from tests.support.ports import five_free_ports
from tests.support.served import RemotePerson

pytestmark = pytest.mark.parametrize("connect", ["https"], indirect=True, scope="module")
Served = AbstractContextManager[None]


@contextmanager
def openid_client(connect: Connect, known: Registered, port: int, folder: Path) -> Iterator[None]:
    install(FOLDER)
    assert connect.authority is not None
    (folder / "node_modules").symlink_to(FOLDER / "node_modules")
    file = folder / "portal.mjs"
    file.write_text(set_up("openid-client (Node", "js", connect.issuer, f"http://localhost:{port}"))
    own = {"CLIENT_ID": known.portal.client_id, "CLIENT_SECRET": known.secret or ""}
    arguments = ["node", "--require", FOLDER / "web_crypto.cjs", FOLDER / "express_stand_in.mjs", file, str(port)]
    process = subprocess.Popen(
        arguments, env={**os.environ, **own, "NODE_EXTRA_CA_CERTS": str(connect.authority.file)},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        yield
    finally:
        process.terminate()
        process.communicate(timeout=10)


@contextmanager
def authlib(connect: Connect, known: Registered, port: int, folder: Path) -> Iterator[None]:
    assert connect.authority is not None
    own = {
        "CLIENT_ID": known.portal.client_id, "CLIENT_SECRET": known.secret or "",
        "SESSION_SECRET": "of a portal that lives for one test", "REQUESTS_CA_BUNDLE": str(connect.authority.file),
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, value in own.items():
            patch.setenv(name, value)
        scope: dict[str, Any] = {"__name__": "portal"}
        exec(set_up("Authlib (Python", "python", connect.issuer, f"http://localhost:{port}"), scope)  # noqa: S102 - ours
        app: Flask = scope["app"]
        app.config["SESSION_COOKIE_NAME"] = "authlib"
        app.add_url_rule("/", "person", lambda: jsonify(session.get("person")))
        app.add_url_rule("/bye", "bye", lambda: jsonify(session.get("person")))
        server = make_server("localhost", port, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join(timeout=10)
            server.server_close()


@pytest.mark.parametrize("serve", [openid_client, authlib])
def test_the_documented_portal_signs_in_and_out(
    connect: Connect, tmp_path: Path, serve: Callable[[Connect, Registered, int, Path], Served]
) -> None:
    port = five_free_ports()
    known = connect.add_portal_of_the_person(port=port, token_endpoint_auth_method="client_secret_basic")
    home = f"http://localhost:{port}"
    with serve(connect, known, port, tmp_path):
        person = connect.person
        person.open(f"{home}/login")
        if person.address.startswith(connect.issuer):
            connect.sign_in()
        assert person.address.startswith(f"{home}/callback?"), person.text
        seen = fetch(person, person.address)
        assert (seen["email"], seen["external_id"], seen["family_name"]) == (EMAIL, "P-1", "Müller")
        assert fetch(person, f"{home}/")["sub"] == seen["sub"]
        person.open(f"{home}/logout")
        assert person.address.split("?")[0] == f"{home}/bye"
        assert fetch(person, f"{home}/") is None
        person.open(f"{home}/login")
        assert "Connexion à" in person.title  # signed out at Connect too


def fetch(person: RemotePerson, address: str) -> Any:
    answer = person.http.get(address, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()
