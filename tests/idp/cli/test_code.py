"""`connect code`: whoever holds a printed letter holds a code that is good, whatever went wrong on the way."""

from __future__ import annotations

import resource
import stat
from collections import Counter
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import select, update

from idp.cli import letter_files as command
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.person import InsuredPerson, RegistrationCode
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.desk import Deed
from idp.services.letters import Letters
from idp.services.registration_codes import Found, Unknown, normalise
from tests.idp.cli.conftest import Connect
from tests.support.printed import Document

ISSUE = ("code", "issue", "--portal", "cpx", "--all-uninvited", "--letters")


def printed_codes(file: Path) -> list[str]:
    document = Document(file.read_bytes())
    codes = [document.qr(page)[0].rpartition("#")[2] for page in range(document.count)]
    document.close()
    return codes


def states(cpx: Connect) -> Counter[str]:
    return Counter(line.split()[1] for line in cpx("code", "list", "--portal", "cpx").splitlines())


def test_letters_are_written_for_everybody_who_has_none(cpx: Connect, services: Services, tmp_path: Path) -> None:
    out = tmp_path / "letters.pdf"
    assert cpx(*ISSUE, out) == f"3 letters in {out}\n"
    assert "Setting letters" in cpx.noted
    assert stat.S_IMODE(out.stat().st_mode) == 0o600, "codes are nobody else's to read"
    portal = db.session.scalar(select(Portal))
    assert portal is not None
    found = [services.registration_codes.look_up(portal, code) for code in printed_codes(out)]
    assert all(isinstance(one, Found) for one in found)
    assert states(cpx) == {"issued": 3}
    tags = [event.tag for event in db.session.scalars(select(AuditEvent)) if event.insured_person_id]
    assert tags == ["operator:registration_code:issue"] * 3
    told = cpx.refuses(*ISSUE, tmp_path / "again.pdf")
    assert told == "nobody waits for a letter; nothing was written\n"
    assert sorted(tmp_path.glob("*.pdf")) == [out]


def test_a_new_letter_voids_the_old_code(cpx: Connect, services: Services, tmp_path: Path) -> None:
    first, second = tmp_path / "first.pdf", tmp_path / "second.pdf"
    cpx(*ISSUE, first)
    cpx("code", "issue", "--portal", "cpx", "--person", "P-2", "--person", "P-3", "--letters", second)
    assert states(cpx) == {"issued": 3, "revoked": 2}
    portal = db.session.scalar(select(Portal))
    assert portal is not None
    old, new = printed_codes(first), printed_codes(second)
    assert [type(services.registration_codes.look_up(portal, code)) for code in old] == [Found, Unknown, Unknown]
    assert [type(services.registration_codes.look_up(portal, code)) for code in new] == [Found, Found]


def test_a_code_is_voided_once(cpx: Connect, tmp_path: Path) -> None:
    cpx(*ISSUE, tmp_path / "letters.pdf")
    assert cpx("code", "revoke", "--portal", "cpx", "--person", "P-1") == "1 code voided\n"
    assert cpx("code", "revoke", "--portal", "cpx", "--person", "P-1") == "there was no open code\n"
    assert states(cpx) == {"issued": 2, "revoked": 1}
    (line,) = cpx("code", "list", "--portal", "cpx", "--state", "revoked").splitlines()
    assert line.startswith("P-1 ")
    tags = [event.tag for event in db.session.scalars(select(AuditEvent)) if event.tag.endswith("revoke")]
    assert len(tags) == 1


def test_many_letters_are_written_into_several_files(
    cpx: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "LETTERS_PER_FILE", 2)
    assert cpx(*ISSUE, tmp_path / "letters.pdf").startswith("3 letters in ")
    files = sorted(tmp_path.glob("*.pdf"))
    assert [file.name for file in files] == ["letters-01.pdf", "letters-02.pdf"]
    assert [len(printed_codes(file)) for file in files] == [2, 1]


def test_mistakes_are_told_and_nothing_is_issued(cpx: Connect, tmp_path: Path) -> None:
    out = tmp_path / "letters.pdf"
    start = ("code", "issue", "--portal", "cpx", "--letters", out)
    assert "say whom" in cpx.refuses(*start)
    assert "say whom" in cpx.refuses(*start, "--all-uninvited", "--person", "P-1")
    told = cpx.refuses(*start, "--person", "P-8", "--person", "P-1", "--person", "P-9")
    assert told == "there is no person 'P-8' at cpx\nthere is no person 'P-9' at cpx\n"
    assert "there is no portal" in cpx.refuses("code", "issue", "--portal", "x", "--all-uninvited", "--letters", out)
    assert "there is no folder" in cpx.refuses(*ISSUE, tmp_path / "none" / "letters.pdf")
    cpx.refuses(*ISSUE, tmp_path, code=2)
    assert "there is no person" in cpx.refuses("code", "revoke", "--portal", "cpx", "--person", "P-9")
    out.write_text("somebody's own")
    assert "exists already" in cpx.refuses(*ISSUE, out)
    assert out.read_text() == "somebody's own"
    cpx("portal", "disable", "cpx")
    assert "is disabled" in cpx.refuses(*ISSUE, tmp_path / "other.pdf")
    assert states(cpx) == {}


def test_somebody_who_is_registered_gets_no_code(cpx: Connect, services: Services, tmp_path: Path) -> None:
    account = services.accounts.create(
        email="a@example.ch", given_name="", family_name="", language="fr", password_hash="x"
    )
    db.session.flush()
    db.session.execute(update(InsuredPerson).where(InsuredPerson.external_id == "P-1").values(account_id=account.id))
    db.session.commit()
    told = cpx.refuses("code", "issue", "--portal", "cpx", "--person", "P-1", "--letters", tmp_path / "l.pdf")
    assert told == "'P-1' is registered already\n"
    assert cpx(*ISSUE, tmp_path / "letters.pdf").startswith("2 letters")


def test_a_name_that_cannot_be_printed_stops_the_batch_and_is_named(cpx: Connect, tmp_path: Path) -> None:
    db.session.execute(update(InsuredPerson).where(InsuredPerson.external_id == "P-2").values(given_name="小明"))
    db.session.commit()
    told = cpx.refuses(*ISSUE, tmp_path / "letters.pdf")
    assert "'P-2': name or address has a character that the letter's typeface lacks" in told
    assert "P-1" not in told
    assert states(cpx) == {}
    assert not list(tmp_path.glob("*.pdf"))


def test_a_disk_that_takes_no_more_leaves_nothing_behind(
    cpx: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = command._write_privately

    def write_within_a_kilobyte(path: Path, content: bytes) -> None:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
        try:
            write(path, content)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    kept = tmp_path / "small"
    kept.mkdir()
    monkeypatch.setattr(command, "_write_privately", write_within_a_kilobyte)
    told = cpx.refuses(*ISSUE, kept / "letters.pdf")
    assert "the letters could not be written: File too large" in told
    assert states(cpx) == {}
    assert list(kept.iterdir()) == []


def test_letters_that_wait_for_their_name_are_never_written_over(cpx: Connect, tmp_path: Path) -> None:
    half = tmp_path / ".letters.pdf.part"
    half.write_text("the only copy")
    told = cpx.refuses(*ISSUE, tmp_path / "letters.pdf")
    assert "left from a run that was stopped" in told
    assert "rename it to letters.pdf, else delete it" in told
    assert half.read_text() == "the only copy"
    assert states(cpx) == {}


def test_two_operators_who_issue_at_once_do_not_void_each_others_letters(
    cpx: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slower one is told, and its letters never get a name."""
    render = Letters.render
    faster = tmp_path / "faster.pdf"

    def render_after_another(self: Letters, letters: list[object]) -> bytes:
        monkeypatch.setattr(Letters, "render", render)
        cpx(*ISSUE, faster)
        return render(self, letters)  # type: ignore[arg-type]

    monkeypatch.setattr(Letters, "render", render_after_another)
    told = cpx.refuses(*ISSUE, tmp_path / "slower.pdf")
    assert "meanwhile" in told
    assert sorted(path.name for path in tmp_path.glob("*.pdf")) == ["faster.pdf"]
    assert states(cpx) == {"issued": 3}


def test_an_interruption_just_after_the_commit_keeps_the_letters(
    cpx: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", interrupt)
        code, _, noted = cpx.type(*ISSUE, tmp_path / "letters.pdf")
    assert (code, noted.splitlines()[-1]) == (1, "Aborted!")
    assert states(cpx) == {"issued": 3}
    half = tmp_path / ".letters.pdf.part"
    assert len(printed_codes(half)) == 3
    assert all(normalise(code) == code for code in printed_codes(half))


def test_codes_are_in_no_row(cpx: Connect, tmp_path: Path) -> None:
    cpx(*ISSUE, tmp_path / "letters.pdf")
    codes = printed_codes(tmp_path / "letters.pdf")
    rows = [str(vars(row)) for row in db.session.scalars(select(RegistrationCode))]
    rows += [str(vars(row)) for row in db.session.scalars(select(AuditEvent))]
    assert rows
    assert not [code for code in codes if any(code in row for row in rows)]


def test_the_letters_that_the_desk_ordered_are_printed_once(cpx: Connect, services: Services, tmp_path: Path) -> None:
    ordered = db.session.scalars(select(InsuredPerson).order_by(InsuredPerson.external_id).limit(1)).one()
    services.desk.do(Deed.ORDER_LETTER, ordered, None, ordered.id)
    db.session.commit()
    start = ("code", "issue", "--portal", "cpx", "--ordered", "--letters")
    assert "1 letters in" in cpx(*start, str(tmp_path / "ordered.pdf"))
    (code,) = printed_codes(tmp_path / "ordered.pdf")
    found = services.registration_codes.look_up(ordered.portal, normalise(code))
    assert isinstance(found, Found)
    assert found.code.insured_person_id == ordered.id
    assert "nobody waits for a letter" in cpx.refuses(*start, str(tmp_path / "again.pdf"))
