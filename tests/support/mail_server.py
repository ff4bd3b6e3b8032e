"""Real mail servers on this machine: aiosmtpd as an honest one, and a server that plays a script of bad manners."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.authority import Certificate


@dataclass(frozen=True)
class Received:
    """One message as it came over the wire."""

    sender: str
    recipients: list[str]
    raw: bytes
    is_encrypted: bool
    user: str | None

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.raw, _class=EmailMessage, policy=policy.default)

    def part(self, kind: str) -> str:
        body = self.message.get_body((kind,))
        assert body is not None
        return str(body.get_content()).replace("\r\n", "\n")


@dataclass
class MailServer:
    """`answers` maps RCPT and DATA to what is said the next times, in order; afterwards all is well."""

    security: str = "none"
    certificate: Certificate | None = None
    users: dict[str, str] = field(default_factory=dict)
    answers: dict[str, list[str]] = field(default_factory=dict)
    before_data: Callable[[], None] = lambda: None
    received: list[Received] = field(default_factory=list)

    def __enter__(self) -> MailServer:
        context = self.certificate.server_context() if self.certificate else None
        given: dict[str, Any] = {"server_hostname": "mail.example.ch"}
        if self.users:
            given |= {"authenticator": self._judge, "auth_required": True, "auth_require_tls": self.security != "tls"}
        if self.security == "starttls":
            given |= {"tls_context": context, "require_starttls": True}
        elif self.security == "tls":
            given["ssl_context"] = context
        self._controller = Controller(self, hostname="127.0.0.1", port=_free_port(), **given)
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._controller.stop()

    @property
    def port(self) -> int:
        return int(self._controller.port)

    def _judge(self, _server: object, session: Session, _envelope: object, _kind: str, shown: Any) -> AuthResult:
        is_right = isinstance(shown, LoginPassword) and self.users.get(shown.login.decode()) == shown.password.decode()
        if is_right:
            session.user = shown.login.decode()  # type: ignore[attr-defined]
        return AuthResult(success=is_right, handled=False)

    def _next(self, command: str) -> str | None:
        waiting = self.answers.get(command)
        return waiting.pop(0) if waiting else None

    async def handle_MAIL(
        self, _server: object, _session: object, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if said := self._next("MAIL"):
            return said
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(
        self, _server: object, _session: object, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if said := self._next("RCPT"):
            return said
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.before_data()
        if said := self._next("DATA"):
            return said
        content = envelope.content
        assert isinstance(content, bytes)
        user = getattr(session, "user", None)
        recipients = list(envelope.rcpt_tos)
        assert server.transport is not None
        is_encrypted = server.transport.get_extra_info("ssl_object") is not None
        self.received.append(Received(str(envelope.mail_from), recipients, content, is_encrypted, user))
        return "250 kept"


Play = Callable[["Stage"], None]


class Stage:
    """One connection of a scripted server, line by line."""

    def __init__(self, connection: socket.socket, heard: list[str]) -> None:
        self.connection, self._heard = connection, heard
        self._lines = connection.makefile("rb")
        self.is_over = False

    def say(self, *lines: str) -> None:
        self.connection.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def hear(self) -> str:
        """The next line of the client; empty when it has gone."""
        line = self._lines.readline().decode("utf-8", "replace")
        self.is_over = not line
        self._heard.append(line.rstrip("\r\n"))
        return self._heard[-1]

    def converse_until(self, last: str, *, extensions: tuple[str, ...] = ()) -> None:
        """Be an ordinary mail server up to the line that begins with `last`, which is heard and not answered."""
        self.say("220 mail.example.ch ESMTP")
        while (line := self.hear()) or not self.is_over:
            if line.upper().startswith(last):
                return
            word = line.upper().split(" ")[0]
            if word == "EHLO":
                names = ("mail.example.ch", *extensions)
                self.say(*(f"250{' ' if name == names[-1] else '-'}{name}" for name in names))
            elif word == "DATA":
                self.say("354 go on")
                while self.hear() != "." and not self.is_over:
                    pass
                if last == "." or self.is_over:
                    return
                self.say("250 kept")
            else:
                self.say("250 OK")

    def wrap(self, context: ssl.SSLContext) -> None:
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self._lines = self.connection.makefile("rb")

    def wait_for_the_end(self) -> None:
        """Keep silent until the client goes."""
        while not self.is_over:
            self.hear()


@contextmanager
def playing(play: Play) -> Iterator[tuple[int, list[str]]]:
    """A server that plays its script for each client; gives its port and the lines it has heard."""
    heard: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=perform, args=(connection,), daemon=True).start()

    def perform(connection: socket.socket) -> None:
        stage = Stage(connection, heard)
        with suppress(OSError):
            play(stage)
        stage._lines.close()
        with suppress(OSError):
            stage.connection.shutdown(socket.SHUT_RDWR)
        stage.connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], heard
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=5)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
