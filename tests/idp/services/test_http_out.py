"""The one door for HTTP out, against servers that redirect, drip, flood or lie about who they are."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from idp.services import http_out
from idp.services.http_out import LOOPBACK, Answer, OutgoingFailed, OutgoingRefused, Reach
from tests.support.authority import Authority, Certificate
from tests.support.mail_server import Stage, playing
from tests.support.web_server import Asked, Said, WebServer

JSON = {"Content-Type": "application/json"}


def post(url: str, body: bytes, headers: dict[str, str], ca_file: Path | None = None, within: float = 13) -> Answer:
    """As the SMS gateway is reached: this machine is allowed, a CA of one's own counts alone."""
    reach = Reach(LOOPBACK, allows_http=True, ca_file=ca_file, trusts_public_ca=not ca_file)
    return http_out.post(url, body, headers, reach=reach, within=within)


def echo(asked: Asked) -> Said:
    return Said(200, asked.body)


def test_a_body_goes_out_and_an_answer_comes_back(authority: Authority) -> None:
    with WebServer(echo, authority.issue("localhost")) as server:
        answer = post(f"{server.address}/sms?to=x", b'{"a": 1}', JSON, ca_file=authority.file)
        assert (answer.status, answer.body) == (200, b'{"a": 1}')
        (asked,) = server.asked
        assert asked.path == "/sms?to=x"
        assert asked.headers["Host"] == f"localhost:{server.port}"
        assert asked.headers["Content-Type"] == "application/json"
        post(f"https://user:secret@localhost:{server.port}", b"", {}, ca_file=authority.file)
        assert server.asked[1].headers["Host"] == f"localhost:{server.port}"
        assert server.asked[1].path == "/"


def test_a_redirect_is_an_answer_and_not_a_way(authority: Authority) -> None:
    with WebServer(echo) as target, WebServer(lambda _: Said(307, b"", {"Location": target.address})) as server:
        assert post(server.address, b"secret", {}).status == 307
        assert target.asked == []


@pytest.mark.parametrize("reason", ["expired", "not yet valid", "another name", "self-signed", "unknown authority"])
def test_a_server_that_cannot_be_believed_gets_nothing(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory, reason: str
) -> None:
    made: dict[str, Callable[[], Certificate]] = {
        "expired": lambda: authority.issue(begins=-timedelta(days=2), ends=-timedelta(minutes=1)),
        "not yet valid": lambda: authority.issue(begins=timedelta(hours=1)),
        "another name": lambda: authority.issue("gateway.example.ch", "127.0.0.1"),  # the address alone is not enough
        "self-signed": authority.self_signed,
        "unknown authority": lambda: Authority(tmp_path_factory.mktemp("stranger")).issue(),
    }
    with WebServer(echo, made[reason]()) as server:
        with pytest.raises(OutgoingFailed, match="SSL"):
            post(server.address, b"secret", {}, ca_file=authority.file)
        with pytest.raises(OutgoingFailed, match="SSL"):
            post(server.address, b"secret", {})  # the machine's own authorities do not know it either
        assert server.asked == []


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "127.0.0.2", "0", "100.64.0.1", "224.0.0.1",
        "255.255.255.255", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::]", "[fe80::1]", "[fd00::1]",
        "[ff02::1]", "[::ffff:10.0.0.1]", "[::ffff:127.0.0.1]", "[64:ff9b::a00:1]", "[2002:0a00:0001::]",
        socket.gethostname(),
    ],
)  # fmt: skip
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_address_within_is_refused_before_anything_is_said(host: str, scheme: str) -> None:
    try:
        socket.getaddrinfo(host.strip("[]"), 443)
    except OSError:
        refusal: type[Exception] = OutgoingFailed  # a name that this machine does not know
    else:
        refusal = OutgoingRefused
    with pytest.raises(refusal):
        post(f"{scheme}://{host}:9/", b"secret", {})


class Resolver:
    """Stands in for the name service of a test: what a name leads to changes with every question."""

    def __init__(self, **names: list[list[str]]) -> None:
        self.names, self.questions = names, list[str]()
        self.real = socket.getaddrinfo

    def __call__(self, host: str, port: Any, *rest: Any, **options: Any) -> Any:
        self.questions.append(host)
        answers = self.names.get(host.split(".")[0])
        if answers is None:
            return self.real(host, port, *rest, **options)
        addresses = answers.pop(0)
        return [entry for one in addresses for entry in self.real(one, port, type=socket.SOCK_STREAM)]


def test_a_name_is_asked_for_once_and_what_was_checked_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    with WebServer(echo) as server:
        resolver = Resolver(localhost=[["127.0.0.1"], ["127.0.0.2"]])
        monkeypatch.setattr(socket, "getaddrinfo", resolver)
        assert post(server.address, b"x", {}).body == b"x"
    assert resolver.questions == ["localhost", "127.0.0.1"]


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    for answers in (["9.9.9.9", "10.0.0.1"], ["192.168.0.1"], ["2001:4860:4860::8888", "::1"]):
        monkeypatch.setattr(socket, "getaddrinfo", Resolver(gateway=[answers]))
        with pytest.raises(OutgoingRefused):
            post("https://gateway.example.ch/", b"x", {})


def test_the_next_address_is_tried_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with WebServer(echo) as server:
        monkeypatch.setattr(socket, "getaddrinfo", Resolver(localhost=[["127.0.0.2", "127.0.0.1"]]))
        assert post(server.address, b"x", {}).body == b"x"
        assert len(server.asked) == 1
    monkeypatch.setattr(socket, "getaddrinfo", Resolver(localhost=[["127.0.0.2", "127.0.0.1"]]))
    with pytest.raises(OutgoingFailed, match="NewConnectionError"):
        post(server.address, b"x", {})


def test_of_too_large_an_answer_only_the_beginning_is_read() -> None:
    with WebServer(lambda _: Said(200, b"x" * http_out.LARGEST_ANSWER)) as server:
        assert len(post(server.address, b"", {}).body) == http_out.LARGEST_ANSWER
    with WebServer(lambda _: Said(200, b"x" * 10 * http_out.LARGEST_ANSWER)) as server:
        assert len(post(server.address, b"", {}).body) <= 2 * http_out.LARGEST_ANSWER + 1  # the rest is not read


def _flood(stage: Stage) -> None:
    stage.say("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "")
    for _ in range(80):
        stage.say("10000", "x" * 65536)


def _drip_header(stage: Stage) -> None:
    stage.connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(80):
        stage.connection.sendall(b"x")
        time.sleep(0.05)


def _drip_body(stage: Stage) -> None:
    stage.say("HTTP/1.1 200 OK", "Content-Length: 60000", "")
    for _ in range(80):
        stage.connection.sendall(b"x")
        time.sleep(0.05)


def _drip_without_length(stage: Stage) -> None:
    stage.say("HTTP/1.1 200 OK", "")
    for _ in range(80):
        stage.connection.sendall(b"x")
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("manners", "cause"),
    [
        (Stage.wait_for_the_end, "TimeoutError|RemoteDisconnected|ProtocolError"),
        (_drip_header, "TimeoutError"),
        (_drip_body, "TimeoutError|ProtocolError"),
        (_drip_without_length, "TimeoutError"),
        (lambda stage: None, "ConnectionResetError|RemoteDisconnected|BrokenPipe|ProtocolError"),
        (lambda stage: (stage.hear(), stage.say("SSH-2.0-OpenSSH")), "BadStatusLine"),
    ],
)
def test_an_answer_ends_in_time(manners: Any, cause: str) -> None:
    with playing(manners) as (port, _):
        began = time.monotonic()
        with pytest.raises(OutgoingFailed, match=cause):
            post(f"http://localhost:{port}/", b"x", {}, within=0.6)
        assert time.monotonic() - began < 30  # without the limits it would never end


def test_a_handshake_that_never_ends_is_ended(authority: Authority) -> None:
    def drip_handshake(stage: Stage) -> None:
        stage.connection.sendall(b"\x16\x03\x03\x40\x00")  # the head of a record of 16 KiB
        for _ in range(80):
            stage.connection.sendall(b"\x02")
            time.sleep(0.05)

    began = time.monotonic()
    with playing(drip_handshake) as (port, _), pytest.raises(OutgoingFailed):
        post(f"https://localhost:{port}/", b"x", {}, ca_file=authority.file, within=0.6)
    assert time.monotonic() - began < 20
