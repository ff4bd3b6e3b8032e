"""Mail to real servers: over TLS that is believed or not, refused for now or for good, cut off, and never injected."""

from __future__ import annotations

import ssl
import threading
import time
import warnings
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from sqlalchemy import update

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.outbox import OutboxMessage, take_message
from idp.services import mail
from idp.services.delivery import BACK_OFF, LEASE, Worker
from idp.services.emails import email_problem, normalise_email
from idp.services.outbox import Content
from idp.texts import LANGUAGES
from tests.support.authority import Authority, Certificate
from tests.support.mail_server import MailServer, Stage, playing
from tests.support.office import Office

DAY = timedelta(days=1)
SECURITIES = ("starttls", "tls")
KINDS = ("code", "exists", "reset", "welcome", "notice")


def reach(office: Office, server: MailServer, authority: Authority, **changes: str) -> None:
    office.set(smtp_port=str(server.port), smtp_security=server.security, smtp_ca_file=str(authority.file), **changes)


def states(office: Office) -> list[str]:
    return [row.state for row in office.run()]


# aiosmtpd does not count TLS from the first byte as TLS.
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize("security", SECURITIES)
def test_a_mail_arrives_over_a_line_that_is_believed(office: Office, authority: Authority, security: str) -> None:
    with MailServer(security, authority.issue(), users={"connect": "Kp4!tZ-of-the-post"}) as server:
        reach(office, server, authority, smtp_username="connect", smtp_password="Kp4!tZ-of-the-post")
        code = office.write("helene@example.ch")
        assert states(office) == ["sent"]
        (received,) = server.received
        assert (received.sender, received.recipients) == ("connect@example.ch", ["helene@example.ch"])
        assert (received.is_encrypted, received.user) == (True, "connect")
        message = received.message
        assert message["From"] == "Caisse CPX – Connect <connect@example.ch>"
        assert message["To"] == "helene@example.ch"
        assert message["Reply-To"] == "help@cpx.example.ch"
        assert message["Subject"] == f"{code} est votre code Connect"
        assert message["Auto-Submitted"] == "auto-generated"
        assert message["Content-Language"] == "fr"
        assert message["Message-ID"].endswith("@example.ch>")
        assert len(set(message.keys())) == len(message.keys())
    (row,) = office.rows()
    assert row.sealed_content is None


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.in_body = False
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.in_body |= tag == "body"
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        if self.in_body:
            self.words += data.split()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_text_and_html_say_the_same_and_nothing_is_fetched(
    office: Office, authority: Authority, kind: str, language: str
) -> None:
    with MailServer() as server:
        reach(office, server, authority)
        office.write(kind=kind, language=language)
        office.run()
    (received,) = server.received
    html, text = received.part("html"), received.part("plain")
    parser = _Words()
    parser.feed(html)
    assert parser.words == [word for word in text.split() if word != "--"]
    assert f'lang="{language}"' in html
    assert "{" not in text
    assert not parser.tags & {"img", "link", "script", "style", "a"}
    assert all(len(line) <= 998 for line in received.raw.split(b"\r\n"))


@pytest.fixture
def unbelievable(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Certificate]:
    stranger = Authority(tmp_path_factory.mktemp("stranger"), "somebody else")
    return {
        "expired": authority.issue(begins=-2 * DAY, ends=-timedelta(minutes=1)),
        "not yet valid": authority.issue(begins=timedelta(hours=1)),
        "another name": authority.issue("mail.example.ch", "10.0.0.1"),
        "self-signed": authority.self_signed(),
        "unknown authority": stranger.issue(),
    }


@pytest.mark.parametrize("security", SECURITIES)
@pytest.mark.parametrize("reason", ["expired", "not yet valid", "another name", "self-signed", "unknown authority"])
def test_a_server_that_cannot_be_believed_gets_nothing(
    office: Office, authority: Authority, unbelievable: dict[str, Certificate], security: str, reason: str
) -> None:
    with MailServer(security, unbelievable[reason]) as server:
        reach(office, server, authority)
        office.write()
        (row,) = office.run()
        assert (row.state, row.last_error, row.tries) == ("waiting", "SSLCertVerificationError", 1)
        assert row.sealed_content
        assert server.received == []


def test_old_tls_is_refused(office: Office, authority: Authority) -> None:
    context = authority.issue().server_context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")

    def old(stage: Stage) -> None:
        stage.converse_until("STARTTLS", extensions=("STARTTLS",))
        stage.say("220 go on")
        stage.wrap(context)
        stage.converse_until("QUIT")

    with playing(old) as (port, heard):
        office.set(smtp_port=str(port), smtp_security="starttls", smtp_ca_file=str(authority.file))
        office.write()
        (row,) = office.run()
    assert (row.state, row.last_error) == ("waiting", "SSLError")
    assert heard[-1] == "STARTTLS"


@pytest.mark.parametrize("manners", ["does not offer it", "offers and refuses it", "offers it and talks on"])
def test_without_starttls_nothing_is_said(office: Office, authority: Authority, manners: str) -> None:
    def stripped(stage: Stage) -> None:
        offered = () if manners == "does not offer it" else ("STARTTLS",)
        stage.converse_until("STARTTLS", extensions=(*offered, "AUTH PLAIN LOGIN"))
        stage.say("454 not now" if manners == "offers and refuses it" else "220 go on")
        stage.say("250-mail.example.ch", "250 AUTH PLAIN LOGIN")  # where a handshake should begin
        stage.wait_for_the_end()

    with playing(stripped) as (port, heard):
        office.set(
            smtp_port=str(port), smtp_security="starttls", smtp_ca_file=str(authority.file), smtp_username="connect",
            smtp_password="Kp4!tZ-of-the-post",
        )  # fmt: skip
        office.write()
        (row,) = office.run()
    assert row.state == "waiting"
    said = " ".join(heard).upper()
    assert not [word for word in ("AUTH", "MAIL FROM", "RCPT", "HELENE", "KP4") if word in said]


def test_a_wrong_password_at_the_server_loses_nothing(
    office: Office, authority: Authority, clock: FrozenClock
) -> None:  # fmt: skip
    with MailServer("starttls", authority.issue(), users={"connect": "Kp4!tZ-of-the-post"}) as server:
        reach(office, server, authority, smtp_username="connect", smtp_password="Qm7!xV-of-last-year")
        office.write()
        (row,) = office.run()
        assert (row.state, row.last_error) == ("waiting", "SMTPAuthenticationError")
        reach(office, server, authority, smtp_username="connect", smtp_password="Kp4!tZ-of-the-post")
        clock.advance(timedelta(seconds=5))
        assert states(office) == ["sent"]


@pytest.mark.parametrize("command", ["RCPT", "DATA", "MAIL"])
def test_refused_for_now_is_tried_again_and_again(
    office: Office, authority: Authority, clock: FrozenClock, command: str
) -> None:
    with MailServer(answers={command: ["451 later"] * 2}) as server:
        reach(office, server, authority)
        office.write()
        for pause in BACK_OFF[:2]:
            (row,) = office.run()
            assert (row.state, row.due_at - clock.now()) == ("waiting", timedelta(seconds=pause))
            assert states(office) == ["waiting"]  # not before it is due
            clock.advance(timedelta(seconds=pause))
        assert states(office) == ["sent"]
        assert len(server.received) == 1


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
def test_refused_for_good_is_given_up_at_once(office: Office, authority: Authority, command: str) -> None:
    with MailServer(answers={command: ["550 nobody of that name"]}) as server:
        reach(office, server, authority)
        office.write()
        (row,) = office.run()
        assert (row.state, row.tries, row.sealed_content) == ("dead", 1, None)
        assert "helene" not in str(row.last_error)


def test_a_refused_sender_is_our_fault_and_the_mail_stays(office: Office, authority: Authority) -> None:
    with MailServer(answers={"MAIL": ["550 who are you?"]}) as server:
        reach(office, server, authority)
        office.write()
        assert states(office) == ["waiting"]


def test_what_never_works_ends_among_the_dead(office: Office, authority: Authority, clock: FrozenClock) -> None:
    with MailServer(answers={"RCPT": ["451 later"] * 100}) as server:
        reach(office, server, authority)
        office.write()
        for pause in BACK_OFF:
            assert states(office) == ["waiting"]
            clock.advance(timedelta(seconds=pause))
        (row,) = office.run()
        assert (row.state, row.tries) == ("dead", len(BACK_OFF) + 1)
        assert states(office) == ["dead"]


def test_no_code_is_sent_after_its_life(office: Office, authority: Authority, clock: FrozenClock) -> None:
    with MailServer(answers={"RCPT": ["451 later"]}) as server:
        reach(office, server, authority)
        office.write()
        db.session.execute(update(OutboxMessage).values(expires_at=clock.now() + timedelta(seconds=4)))
        db.session.commit()
        assert states(office) == ["waiting"]
        clock.advance(timedelta(seconds=5))
        (row,) = office.run()
        assert (row.state, row.sealed_content) == ("expired", None)
        assert server.received == []


def test_a_silent_or_absent_server_is_waited_for_no_longer_than_allowed(
    office: Office, authority: Authority, monkeypatch: pytest.MonkeyPatch, clock: FrozenClock
) -> None:
    monkeypatch.setattr(mail, "TIMEOUT_S", 0.2)
    with playing(Stage.wait_for_the_end) as (port, _):
        office.set(smtp_port=str(port))
        office.write()
        began = time.monotonic()
        (row,) = office.run()
        assert (row.state, row.last_error) == ("waiting", "SMTPServerDisconnected")
        assert time.monotonic() - began < 5
    clock.advance(timedelta(minutes=1))
    (row,) = office.run()
    assert (row.state, row.last_error) == ("waiting", "ConnectionRefusedError")


def test_a_line_that_breaks_after_the_content_is_tried_again(
    office: Office, authority: Authority, clock: FrozenClock
) -> None:  # fmt: skip
    def cut(stage: Stage) -> None:
        stage.converse_until(".")

    with playing(cut) as (port, heard):
        office.set(smtp_port=str(port))
        office.write()
        (row,) = office.run()
        assert (row.state, row.last_error) == ("waiting", "SMTPServerDisconnected")
        assert "." in heard
    clock.advance(timedelta(seconds=5))
    with MailServer() as server:
        reach(office, server, authority)
        assert states(office) == ["sent"]
        assert len(server.received) == 1


@pytest.mark.parametrize("manners", ["cut", "silence", "an error"])
def test_a_bad_goodbye_does_not_send_a_mail_twice(
    office: Office, monkeypatch: pytest.MonkeyPatch, clock: FrozenClock, manners: str
) -> None:
    monkeypatch.setattr(mail, "TIMEOUT_S", 0.3)

    def rude(stage: Stage) -> None:
        stage.converse_until(".")
        stage.say("250 kept")
        stage.hear()
        if manners == "silence":
            stage.wait_for_the_end()
        elif manners == "an error":
            stage.say("421 too late")

    with playing(rude) as (port, heard):
        office.set(smtp_port=str(port))
        office.write()
        assert states(office) == ["sent"]
        clock.advance(timedelta(hours=1))
        assert states(office) == ["sent"]
        assert heard.count("data") == 1


HOSTILE = [
    "a@example.ch\r\nRCPT TO:<b@example.ch>", "a@example.ch\nBcc: b@example.ch", "a\r\n@example.ch", "a@exam\0ple.ch",
    "a@example.ch\u2028Bcc: b@example.ch", "a\u2029b@example.ch", "a@example.ch\x85Bcc: b@example.ch",
    "a\u560d\u560aBcc:b@example.ch", "a@example.ch\u560a.example.ch", "a@x.example.ch,b@y.example.ch",
    "a@x.example.ch b@y.example.ch", "a@x.example.ch;b@y.example.ch", "<a@example.ch>", "A <a@example.ch>",
    "a@example.ch>", '"a b"@example.ch', '"a@x"@example.ch', '"\r\nRCPT TO:<b@x.ch>"@example.ch',
    "=?utf-8?q?a=0D=0ABcc=3A?=@example.ch", "a@[127.0.0.1]", "a@[IPv6:::1]", "a@localhost", "a@-x.example.ch", "@",
    "a@", "@example.ch", "a" * 10_000 + "@example.ch", "a@" + "b" * 10_000, "a@b@example.ch", "a..b@example.ch",
    ".a@example.ch", "a%b@example.ch", "a!b@example.ch", "a@example.ch.", "a@example..ch", "-oQ/tmp@example.ch",
    "--a@example.ch", "a+b.c_d@example.ch", "O'Brien@Example.CH", "helene@zürich.example.ch", "a@EXÄMPLE.ch",
    "hélène@example.ch", "straße@example.ch", "аlice@example.ch", "alice＠example.ch", "a\u202eb@example.ch",
    "a\u200b@example.ch", "a{}@example.ch", "a|b@example.ch", "a@ex ample.ch", "a\t@example.ch", "a(c)@example.ch",
]  # fmt: skip


def test_an_address_is_refused_at_entry_or_becomes_the_one_recipient(office: Office, authority: Authority) -> None:
    taken = {}
    for typed in HOSTILE:
        stored = normalise_email(typed)
        if stored is None:
            assert email_problem(typed) in {"e.email.format", "e.email.accent"}
        else:
            assert stored.isascii()
            taken[typed] = stored
    assert {"a+b.c_d@example.ch", "O'Brien@Example.CH", "helene@zürich.example.ch"} <= set(taken)
    assert not any(mark in typed for typed in taken for mark in '\r\n\0\u2028\u2029\x85,;<> "[')
    with MailServer() as server:
        reach(office, server, authority)
        for stored in taken.values():
            office.write(stored)
        office.run()
    assert sorted(received.recipients for received in server.received) == sorted([one] for one in taken.values())
    for received in server.received:
        assert received.message.get_all("To") == received.recipients
        assert received.message.get_all("Bcc") is None


def test_accents_before_the_at_sign_are_named_as_the_problem() -> None:
    assert email_problem("hélène@example.ch") == "e.email.accent"
    assert email_problem("müller@zürich.ch") == "e.email.accent"
    assert email_problem("hélène") == "e.email.format"
    assert email_problem("hélène@example") == "e.email.format"
    assert email_problem(" ") == "e.email.empty"
    assert normalise_email("helene@Zürich.ch") == "helene@xn--zrich-kva.ch"


BREAKS = ("\r\n", "\n", "\r", "\0", "\u2028", "\u2029", "\x85", "\v", "\f", "\u560d\u560a", " =?utf-8?q?=0D=0A?= ")
ENCODED = " =?utf-8?q?a=0D=0ABcc=3A_thief=40example=2Ech?="


@pytest.mark.parametrize("end", BREAKS)
def test_no_value_becomes_a_header_or_a_second_mail(office: Office, end: str) -> None:
    bad = f"x{end}Bcc: thief@example.ch{end}{end}.{end}MAIL FROM:<thief@example.ch>{end}{ENCODED}"
    text = f"Guten Tag{end}.{end}..{end}QUIT{end}.hidden\n.\n" + bad
    with MailServer() as server:
        sender = office.set(smtp_port=str(server.port)).mail
        sender.send(Content("helene@example.ch", text, bad, f"<p>{text}</p>", bad, "help@example.ch", "fr"))
    (received,) = server.received
    assert received.recipients == ["helene@example.ch"]
    message = received.message
    assert set(message.keys()) == {
        "From", "To", "Subject", "Reply-To", "Date", "Message-ID", "Auto-Submitted", "Content-Language", "MIME-Version",
        "Content-Type",
    }  # fmt: skip
    assert message["From"].addresses[0].addr_spec == "connect@example.ch"
    assert ".hidden" in received.part("plain")
    assert received.part("plain").split("\n")[0].startswith("Guten Tag")


@pytest.mark.parametrize(
    "name",
    [
        "Caisse de pensions, Prévoyance (CPX) St. Gallen",
        "Fondation de prévoyance du personnel de la ville, Thun et environs " * 2,
        "Kasse <thief@example.ch>",
    ],
)
def test_a_long_name_of_a_portal_stays_a_name(office: Office, name: str) -> None:
    with MailServer() as server:
        sender = office.set(smtp_port=str(server.port)).mail
        sender.send(Content("h@example.ch", "a", "s", "<p>a</p>", f"{name} – Connect", "help@example.ch", "fr"))
    (address,) = server.received[0].message["From"].addresses
    assert address.addr_spec == "connect@example.ch"
    assert address.display_name.startswith(name.split(",")[0].split("<")[0])


def test_a_line_of_one_dot_and_an_accent_arrive_as_they_are(office: Office) -> None:
    text = "é\n.\n..\n.b\nc\n"
    with MailServer() as server:
        sender = office.set(smtp_port=str(server.port)).mail
        sender.send(Content("helene@example.ch", text, "s", "<p>é</p>", "n", "help@example.ch", "fr"))
    (received,) = server.received
    assert received.part("plain") == text
    assert received.raw.isascii()  # smtplib does not ask whether the server takes 8-bit content


def test_what_is_written_to_the_line_has_its_dots_doubled(office: Office) -> None:
    def plain(stage: Stage) -> None:
        stage.converse_until("QUIT")

    with playing(plain) as (port, heard):
        sender = office.set(smtp_port=str(port)).mail
        sender.send(Content("h@example.ch", "a\n.\nRSET\n", "s", "<p>a</p>", "n", "help@example.ch", "fr"))
    assert heard.index("RSET") - heard.index("..") == 1


def test_a_message_that_cannot_be_opened_holds_up_no_other(office: Office, authority: Authority) -> None:
    with MailServer() as server:
        reach(office, server, authority)
        office.write("first@example.ch")
        db.session.execute(update(OutboxMessage).values(sealed_content="v1.broken"))
        office.write("second@example.ch")
        assert sorted(states(office)) == ["sent", "waiting"]


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_slow_mail_server_holds_up_no_sms_and_no_other_worker(office: Office, stop: threading.Event) -> None:
    is_in, may_go = threading.Event(), threading.Event()

    def slow(stage: Stage) -> None:
        is_in.set()
        may_go.wait(20)
        stage.converse_until("QUIT")

    with playing(slow) as (port, _):
        office.set(smtp_port=str(port))
        office.write("first@example.ch")
        office.write("second@example.ch")
        office.text()
        runner = threading.Thread(target=Worker(office.app).run_forever, args=(stop,), daemon=True)
        runner.start()
        assert is_in.wait(10)
        deadline = time.monotonic() + 10
        while (rows := {row.channel + row.state: row for row in office.rows()}) and time.monotonic() < deadline:
            if rows.get("smswaiting") and rows["smswaiting"].tries:  # nobody answers at its gateway: put off
                break
            time.sleep(0.02)
        assert sorted(row.state for row in office.rows() if row.channel == "mail") == ["sending", "waiting"]
        assert rows["smswaiting"].tries == 1
        stop.set()
        may_go.set()
        runner.join(timeout=20)
        assert not runner.is_alive()


def test_a_worker_that_died_gives_its_message_back(office: Office, authority: Authority, clock: FrozenClock) -> None:
    with MailServer() as server:
        reach(office, server, authority)
        office.write()
        taken = take_message("mail", clock.now(), LEASE)  # and then the power fails
        assert taken
        assert states(office) == ["sending"]
        clock.advance(LEASE)
        assert states(office) == ["sent"]
        assert len(server.received) == 1
