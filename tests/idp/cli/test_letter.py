"""`connect letter`: what people ask for is printed once, whatever goes wrong, and a cancelled letter never."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from sqlalchemy import select

from idp.clock import FrozenClock, SystemClock
from idp.models.account import Account
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.person import InsuredPerson, RegistrationCode
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.letters import Letters
from idp.services.registration_codes import Found, Unknown, normalise
from tests.idp.cli.conftest import Connect
from tests.support.letters import ask
from tests.support.printed import Document

PRINT = ("letter", "print", "--portal", "cpx", "--letters")


@pytest.fixture
def clock() -> FrozenClock:
    """The command goes by the clock on the wall."""
    return FrozenClock(SystemClock().now())


@pytest.fixture
def portal(cpx: Connect) -> Portal:
    found = db.session.scalar(select(Portal))
    assert found is not None
    return found


@pytest.fixture
def accounts(portal: Portal, services: Services) -> list[Account]:
    """The owners of the three records, each of whom asked for a letter."""
    made = []
    for person in db.session.scalars(select(InsuredPerson).order_by(InsuredPerson.external_id)).all():
        account = services.accounts.create(
            email=f"{person.external_id}@example.ch", given_name="", family_name="", language=person.language,
            password_hash="x",
        )  # fmt: skip
        db.session.flush()
        assert person.link(account.id, services.clock.now())
        ask(services, account, portal)
        made.append(account)
    return made


def printed(file: Path) -> list[tuple[str, str]]:
    """Each page's code and its whole text."""
    document = Document(file.read_bytes())
    pages = [" ".join(document.text(page).split()) for page in range(document.count)]
    document.close()
    found = []
    for page in pages:
        (code,) = [word for word in page.split() if len(word) == 14 and word.count("-") == 2]
        found.append((normalise(code), page))
    return found


def test_what_waits_is_printed_once(
    cpx: Connect, portal: Portal, accounts: list[Account], services: Services, tmp_path: Path
) -> None:
    assert len(cpx("letter", "list", "--portal", "cpx", "--state", "waiting").splitlines()) == 3
    out = tmp_path / "recovery.pdf"
    assert cpx(*PRINT, out) == f"3 letters in {out}\n"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    for (code, page), account in zip(printed(out), accounts, strict=True):
        db.session.rollback()
        assert isinstance(services.registration_codes.look_up_recovery(portal, account.id, code), Found)
        assert isinstance(services.registration_codes.look_up(portal, code), Unknown)
        assert services.texts.get(account.language, "recover.intro") in page
    assert "Je n’ai plus accès à mon téléphone" in printed(out)[0][1]
    assert cpx(*PRINT, tmp_path / "again.pdf") == "no letter waits; nothing was written\n"
    assert sorted(tmp_path.glob("*.pdf")) == [out]
    assert cpx("letter", "list", "--portal", "cpx", "--state", "waiting") == ""
    assert [line.split()[1] for line in cpx("letter", "list", "--portal", "cpx").splitlines()] == ["printed"] * 3
    assert cpx("code", "list", "--portal", "cpx") == "", "codes to register are another matter"
    tags = [event.tag for event in db.session.scalars(select(AuditEvent))]
    assert tags.count("operator:recovery_letter:print") == 3


def test_the_letter_leads_to_the_sign_in_and_its_qr_holds_no_code(
    cpx: Connect, portal: Portal, accounts: list[Account], tmp_path: Path
) -> None:
    out = tmp_path / "recovery.pdf"
    cpx(*PRINT, out)
    document = Document(out.read_bytes())
    assert [document.qr(page)[0] for page in range(3)] == [
        f"http://localhost:8000/cpx/login?lang={language}" for language in ("fr", "de", "it")
    ]
    document.close()


def test_an_operator_stops_a_letter(cpx: Connect, portal: Portal, accounts: list[Account], tmp_path: Path) -> None:
    cancel = ("letter", "cancel", "--portal", "cpx", "--person")
    assert cpx(*cancel, "P-2") == "1 letter cancelled\n"
    assert cpx(*cancel, "P-2") == "there was no open letter\n"
    assert cpx(*PRINT, tmp_path / "recovery.pdf").startswith("2 letters")
    assert cpx(*cancel, "P-1") == "1 letter cancelled\n"
    states = {line.split()[0]: line.split()[1] for line in cpx("letter", "list", "--portal", "cpx").splitlines()}
    assert states == {"P-1": "cancelled", "P-2": "cancelled", "P-3": "printed"}
    revoked = db.session.scalars(select(RegistrationCode).where(RegistrationCode.revoked_at.is_not(None))).all()
    assert [row.person.external_id for row in revoked] == ["P-1"]
    assert "no letter was asked for" in cpx.refuses(*cancel, "P-9")


def test_a_letter_cancelled_while_it_is_set_is_not_good(
    cpx: Connect, portal: Portal, accounts: list[Account], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    render = Letters.render

    def render_while_one_is_cancelled(self: Letters, letters: list[object]) -> bytes:
        monkeypatch.setattr(Letters, "render", render)
        cpx("letter", "cancel", "--portal", "cpx", "--person", "P-3")
        return render(self, letters)  # type: ignore[arg-type]

    monkeypatch.setattr(Letters, "render", render_while_one_is_cancelled)
    told = cpx.refuses(*PRINT, tmp_path / "recovery.pdf")
    assert "cancelled or printed meanwhile" in told
    assert list(tmp_path.glob("*.pdf")) == []
    assert db.session.scalars(select(RegistrationCode)).all() == []
    assert cpx(*PRINT, tmp_path / "recovery.pdf").startswith("2 letters")


def test_of_two_operators_who_print_at_once_one_is_told(
    cpx: Connect, portal: Portal, accounts: list[Account], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    render = Letters.render

    def render_after_another(self: Letters, letters: list[object]) -> bytes:
        monkeypatch.setattr(Letters, "render", render)
        cpx(*PRINT, tmp_path / "faster.pdf")
        return render(self, letters)  # type: ignore[arg-type]

    monkeypatch.setattr(Letters, "render", render_after_another)
    assert "meanwhile" in cpx.refuses(*PRINT, tmp_path / "slower.pdf")
    assert sorted(path.name for path in tmp_path.glob("*.pdf")) == ["faster.pdf"]
    rows = db.session.scalars(select(RegistrationCode)).all()
    assert [row.revoked_at for row in rows] == [None] * 3


def test_a_closed_account_gets_no_letter(cpx: Connect, portal: Portal, accounts: list[Account], tmp_path: Path) -> None:
    accounts[0].status = "disabled"
    db.session.commit()
    assert cpx(*PRINT, tmp_path / "recovery.pdf").startswith("2 letters")
