"""`connect check` says everything that is wrong, in words, and looks at the real servers to know."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url

from idp.services import schema
from keys.master import new_master_key
from tests.idp.cli.conftest import CPX, Connect
from tests.support.authority import Authority
from tests.support.mail_server import MailServer
from tests.support.web_server import Said, WebServer


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def gateway(authority: Authority) -> Iterator[WebServer]:
    with WebServer(lambda _: Said(204), authority.issue()) as server:
        yield server


@pytest.fixture
def mail(authority: Authority) -> Iterator[MailServer]:
    with MailServer("starttls", authority.issue(), users={"connect": "right"}) as server:
        yield server


@pytest.fixture
def installed(fresh: Connect, authority: Authority, gateway: WebServer, mail: MailServer) -> Connect:
    """A whole installation in which all is well."""
    fresh.environment |= {
        "CONNECT_SMTP_PORT": str(mail.port), "CONNECT_SMTP_SECURITY": "starttls",
        "CONNECT_SMTP_CA_FILE": str(authority.file), "CONNECT_SMTP_USERNAME": "connect",
        "CONNECT_SMTP_PASSWORD": "right", "CONNECT_SMS_URL": gateway.address,
        "CONNECT_SMS_CA_FILE": str(authority.file),
    }  # fmt: skip
    fresh("db", "upgrade")
    fresh("key", "rotate")
    fresh("portal", "add", *CPX)
    return fresh


def faults(connect: Connect) -> list[str]:
    return connect.refuses("check").splitlines()


def file_of(connect: Connect) -> str:
    return str(make_url(connect.environment["CONNECT_DATABASE_URL"]).database)


def test_all_is_well_and_nothing_was_sent(installed: Connect, mail: MailServer, gateway: WebServer) -> None:
    before = Path(file_of(installed)).read_bytes()
    assert installed("check").startswith(f"all well: schema {schema.newest()}, 8 keys, 1 portals")
    assert (mail.received, gateway.asked) == ([], [])
    assert Path(file_of(installed)).read_bytes() == before


def test_where_nothing_is_installed_it_says_so_and_makes_nothing(fresh: Connect) -> None:
    told = faults(fresh)
    assert told[0] == f"there is no database file {file_of(fresh)}: run `connect db upgrade`"
    assert told[1:] == [
        "mail server localhost:587: nobody listens there",
        "SMS gateway localhost:9: nobody listens there",
    ]
    assert not Path(file_of(fresh)).exists()


def test_every_fault_of_the_house_is_told_at_once(installed: Connect) -> None:
    with sqlite3.connect(file_of(installed)) as database:
        database.execute("UPDATE portal SET client_secret_hash = NULL, short_name = ?", ("x" * 21,))
        database.execute("UPDATE portal SET redirect_uris = ?", (json.dumps(["http://cpx.example.ch/"]),))
        database.execute("UPDATE signing_key SET state = 'retiring' WHERE alg = 'PS256'")
    database.close()
    installed.environment["CONNECT_MASTER_KEY"] = new_master_key()
    assert faults(installed) == [
        "no active signing key for PS256: run `connect key rotate`",
        "the master key does not open 8 signing keys: they were sealed under another one",
        "portal cpx: short_name: must be 1 to 20 characters of the SMS alphabet",
        "portal cpx: redirect_uris.0: must begin with https:// (http:// is for localhost only)",
        "portal cpx: it has no client secret: run `connect portal secret cpx`",
    ]
    installed("portal", "disable", "cpx")
    assert not [fault for fault in faults(installed) if fault.startswith("portal")]


def test_a_schema_of_another_release_is_told(installed: Connect) -> None:
    for number, said in (("0000", "run `connect db upgrade`"), ("9999", "install the release it belongs to")):
        with sqlite3.connect(file_of(installed)) as database:
            database.execute("UPDATE alembic_version SET version_num = ?", (number,))
        database.close()
        (fault,) = faults(installed)
        assert fault.startswith(f"the database is at {number}")
        assert fault.endswith(said)


def test_a_database_that_does_not_answer_does_not_hide_the_rest(installed: Connect) -> None:
    installed.environment |= {
        "CONNECT_DATABASE_URL": "postgresql+psycopg://connect@127.0.0.1:9/connect", "CONNECT_SMTP_PASSWORD": "wrong",
    }  # fmt: skip
    told = faults(installed)
    assert told[0].startswith("database: connection failed")
    assert told[1].endswith("it refuses our user name and password")


def test_servers_whose_certificate_cannot_be_trusted_are_told(installed: Connect, authority: Authority) -> None:
    certificates = {
        "self-signed certificate": authority.self_signed(),
        "certificate has expired": authority.issue(ends=timedelta(seconds=-1)),
        "mismatch": authority.issue("mail.example.ch"),
    }
    for said, certificate in certificates.items():
        with MailServer("tls", certificate) as mail, WebServer(lambda _: Said(204), certificate) as gateway:
            installed.environment |= {
                "CONNECT_SMTP_PORT": str(mail.port), "CONNECT_SMTP_SECURITY": "tls",
                "CONNECT_SMS_URL": gateway.address,
            }  # fmt: skip
            told = faults(installed)
        assert len(told) == 2
        assert told[0].startswith(f"mail server localhost:{mail.port}: its certificate cannot be trusted (")
        assert told[1].startswith(f"SMS gateway localhost:{gateway.port}: its certificate cannot be trusted (")
        assert all(said in fault for fault in told)


def test_servers_that_speak_otherwise_than_configured_are_told(installed: Connect) -> None:
    with MailServer() as plain, WebServer(lambda _: Said(204)) as http:
        installed.environment |= {
            "CONNECT_SMTP_PORT": str(plain.port), "CONNECT_SMS_URL": f"https://localhost:{http.port}",
            "CONNECT_REDIS_URL": "redis://127.0.0.1:9/0",
        }  # fmt: skip
        told = faults(installed)
    assert told == [
        f"mail server localhost:{plain.port}: it does not offer what is configured (STARTTLS, or signing in)",
        f"SMS gateway localhost:{http.port}: it does not speak TLS there",
        "Redis: ConnectionError",
    ]


def test_names_that_lead_nowhere_are_told(installed: Connect) -> None:
    installed.environment |= {"CONNECT_SMTP_HOST": "mail.invalid", "CONNECT_SMS_URL": "https://sms.invalid/send"}
    told = faults(installed)
    assert told == [
        f"mail server mail.invalid:{installed.environment['CONNECT_SMTP_PORT']}: there is no such name",
        "SMS gateway sms.invalid:443: there is no such name",
    ]
