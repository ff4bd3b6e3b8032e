"""Sets the demonstration up and runs it: Connect, two portals and an inbox, each a process of its own.

Started by `python3 dev.py demo`. Everything it makes lies in demo-data/<port>/ and goes with that folder.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from idp.demo.pages import in_clear
from idp.models.base import db
from idp.models.portal import Portal
from idp.services import schema
from idp.services.assembly import bare_app, build_services
from idp.services.bundle import Services
from idp.services.operator_mail import mail_invitation
from idp.services.permissions import Role
from idp.settings import Settings
from idp.web import log
from keys.master import new_master_key

ROOT = Path(__file__).resolve().parent.parent
ANSWERS_WITHIN_S = 60
ANY_NUMBER = "1000000000"
SAMPLES: tuple[dict[str, Any], ...] = (
    {
        "slug": "demo-a",
        "names": {"fr": "Caisse Démo A", "de": "Kasse Demo A", "it": "Cassa Demo A", "en": "Demo Fund A"},
        "short_name": "Caisse Démo A", "place": "Lausanne", "phone": "058 123 45 67", "email": "aide@demo-a.example.ch",
        "hours": {"fr": "lu–ve 8–17 h", "de": "Mo–Fr 8–17 Uhr", "it": "lu–ve 8–17", "en": "Mon–Fri 8–17"},
        "brand_color": "#0B5C7A", "letter_window": "right", "persons": "persons-a.csv",
        "token_endpoint_auth_method": "client_secret_basic", "id_token_signed_response_alg": "RS256",
    },
    {
        "slug": "demo-b",
        "names": {"fr": "Fondation Démo B", "de": "Stiftung Demo B", "it": "Fondazione Demo B", "en": "Demo Trust B"},
        "short_name": "Fondation B", "place": "Bern", "phone": "058 765 43 21", "email": "hilfe@demo-b.example.ch",
        "hours": {"fr": "lu–ve 9–12 h", "de": "Mo–Fr 9–12 Uhr", "it": "lu–ve 9–12", "en": "Mon–Fri 9–12"},
        "brand_color": "#7A2E5C", "letter_window": "left", "persons": "persons-b.csv",
        "token_endpoint_auth_method": "client_secret_post", "id_token_signed_response_alg": "ES256",
    },
)  # fmt: skip


@dataclass(frozen=True)
class Ports:
    """Connect's own port and the four above it."""

    connect: int

    @property
    def portals(self) -> tuple[int, int]:
        return self.connect + 1, self.connect + 2

    @property
    def homes(self) -> list[str]:
        """The first pages of the portals."""
        return [f"http://localhost:{port}/" for port in self.portals]

    @property
    def smtp(self) -> int:
        return self.connect + 3

    @property
    def sms(self) -> int:
        return self.connect + 4


def environment(folder: Path, ports: Ports) -> dict[str, str]:
    """The configuration of the demonstration; its secrets are made at the first start and stay in the folder."""
    secret = folder / "secrets.json"
    if not secret.is_file():
        made = {"master_key": new_master_key(), "sms_secret": secrets.token_urlsafe(48)}
        with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            json.dump(made, stream)
    kept = json.loads(secret.read_text())
    return {
        "CONNECT_ISSUER": f"http://localhost:{ports.connect}",
        "CONNECT_DATABASE_URL": f"sqlite:///{folder / 'connect.db'}",
        "CONNECT_MASTER_KEY": kept["master_key"],
        "CONNECT_MAIL_FROM": "connect@demo.example.ch",
        "CONNECT_SMTP_HOST": "localhost",
        "CONNECT_SMTP_PORT": str(ports.smtp),
        "CONNECT_SMTP_SECURITY": "none",
        "CONNECT_SMS_PROVIDER": "webhook",
        "CONNECT_SMS_URL": f"http://localhost:{ports.sms}/sms",
        "CONNECT_SMS_SECRET": kept["sms_secret"],
        "CONNECT_SUPPORT_PHONE": "058 123 45 67",
        "CONNECT_SUPPORT_EMAIL": "aide@demo.example.ch",
        "CONNECT_LOG_LEVEL": "warning",
        "CONNECT_SIGN_INS_PER_HOUR": ANY_NUMBER,  # everybody in a demonstration comes from one address
        "CONNECT_LETTER_CODES_PER_HOUR": ANY_NUMBER,
        "CONNECT_SENDS_PER_HOUR": ANY_NUMBER,
        "CONNECT_DEMO_FOLDER": str(folder),
    }


def fill(folder: Path, ports: Ports, bundle: Services) -> None:
    """The first start: schema, keys, portals, persons, codes and letters. Nothing is left half-made."""
    schema.upgrade()
    bundle.keyring.ensure()
    invite_operator(bundle)
    if bundle.portals.all():
        return
    kept: list[dict[str, str]] = []
    for sample, port in zip(SAMPLES, ports.portals, strict=True):
        home = f"http://localhost:{port}"
        details = {name: value for name, value in sample.items() if name != "persons"} | {
            "home_url": f"{home}/", "redirect_uris": [f"{home}/callback"], "post_logout_redirect_uris": [f"{home}/bye"],
            "initiate_login_uri": f"{home}/login",
        }  # fmt: skip
        portal, secret = bundle.portals.add(details)
        config = {
            "name": portal.names["fr"], "port": port, "issuer": bundle.settings.issuer, "client_id": portal.client_id,
            "client_secret": secret, "token_endpoint_auth_method": portal.token_endpoint_auth_method,
        }  # fmt: skip
        (folder / f"portal-{portal.slug}.json").write_text(json.dumps(config))
        kept += print_letters(folder, bundle, portal, ROOT / "examples" / sample["persons"])
    (folder / "letters.json").write_text(json.dumps(kept))
    db.session.commit()


def invite_operator(bundle: Services) -> None:
    """The mail that opens the console waits in the inbox until somebody took it up."""
    if not bundle.operators.everybody() and not bundle.operators.open_invitations():
        mail_invitation(bundle, "operator@example.ch", [Role.SUPERUSER], None, "en")
        db.session.commit()


def print_letters(folder: Path, bundle: Services, portal: Portal, persons: Path) -> list[dict[str, str]]:
    """Import, issue, typeset. The codes are kept in clear beside the letters, as only a demonstration may."""
    report = bundle.imports.run(persons, portal)
    if report.errors:
        raise SystemExit(f"{persons.name}: {report.errors[:3]}")
    db.session.flush()
    letters = bundle.letters.compose(portal, bundle.letters.uninvited(portal))
    (folder / f"letters-{portal.slug}.pdf").write_bytes(bundle.letters.render(letters))
    bundle.letters.issue(letters)
    return [in_clear(letter) for letter in letters]


def check_ports(ports: Sequence[int], command: str) -> None:
    """Of the command that would use them, which begins with the first."""
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise SystemExit(
                    f"port {port} is in use; try: python3 dev.py {command} --port {ports[0] + 100}"
                ) from None


def surroundings(folder: Path, ports: Ports) -> list[list[str]]:
    """What starts the inbox and the portals."""
    python = [sys.executable, "-m"]
    inbox = [
        *python, "examples.inbox.app", "--file", str(folder / "inbox.jsonl"),
        "--smtp-port", str(ports.smtp), "--sms-port", str(ports.sms),
    ]  # fmt: skip
    return [inbox, *([*python, "examples.portal.app", str(folder / f"portal-{one['slug']}.json")] for one in SAMPLES)]


def start(folder: Path, commands: list[list[str]], environ: dict[str, str]) -> list[subprocess.Popen[bytes]]:
    quiet = {"env": {**os.environ, **environ, "INBOX_SMS_SECRET": environ["CONNECT_SMS_SECRET"]}, "cwd": ROOT}
    log = (folder / "demo.log").open("ab")
    return [subprocess.Popen(command, stdout=log, stderr=log, **quiet) for command in commands]  # type: ignore[call-overload]


def wait_until_all_answer(processes: list[subprocess.Popen[bytes]], addresses: list[str]) -> None:
    deadline = time.monotonic() + ANSWERS_WITHIN_S
    while addresses:
        if any(process.poll() is not None for process in processes) or time.monotonic() > deadline:
            raise SystemExit("a part of the demonstration did not start; demo.log in its folder says why")
        try:
            with urlopen(addresses[0], timeout=2):
                addresses = addresses[1:]
        except (URLError, OSError):
            time.sleep(0.05)


def stop(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()


def main() -> None:
    parser = argparse.ArgumentParser(prog="dev.py demo", description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="port of Connect; the four above it are used too")
    ports = Ports(parser.parse_args().port)
    log.configure("error")  # what to open is all that stands on standard output
    check_ports((ports.connect, *ports.portals, ports.smtp, ports.sms), "demo")
    folder = ROOT / "demo-data" / str(ports.connect)
    folder.mkdir(parents=True, exist_ok=True)
    environ = environment(folder, ports)
    with bare_app(bundle := build_services(Settings.from_environ(environ))).app_context():
        fill(folder, ports, bundle)
        db.engine.dispose()
    web = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(ports.connect),
        "--workers", "1", "--blocking-threads", "8", "--no-ws", "--log-level", "warning", "wsgi:app",
    ]  # fmt: skip
    processes = start(folder, [web, *surroundings(folder, ports)], environ)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        wait_until_all_answer(processes, [*ports.homes, f"http://localhost:{ports.connect}/readyz"])
        say(ports, folder)
        while all(process.poll() is None for process in processes):
            time.sleep(0.3)
        print("A part of the demonstration ended; demo.log in its folder says why.", flush=True)
        sys.exit(1)
    except KeyboardInterrupt:
        print(
            f"\nEnded {datetime.now(UTC):%H:%M} UTC. Your data stays; delete {folder.relative_to(ROOT)} to begin anew."
        )
    finally:
        stop(processes)


def say(ports: Ports, folder: Path) -> None:
    """What to open and try, in six lines."""
    issuer = f"http://localhost:{ports.connect}"
    print(f"1. Open {issuer}/demo : sample letters with their codes, and the inbox for mail and SMS.")
    print(f"2. Open {issuer}/ , choose a portal, then “J'ai un code d'inscription” (or your language’s words).")
    print("3. Take a code and its birth date from a letter; read the mailed and texted codes in the inbox.")
    print(f"4. You land in a portal: http://localhost:{ports.portals[0]}/ or http://localhost:{ports.portals[1]}/ .")
    print(f"5. The console for operators is {issuer}/admin ; the invitation to it waits in the inbox.")
    print(
        f"6. Ctrl-C ends it; data stays in {folder.relative_to(ROOT)}/ (delete the folder to begin anew).", flush=True
    )


if __name__ == "__main__":
    main()
