"""C-83: an address that a portal registered leads to public places only, however its name or its server behaves."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from idp.services.http_out import LARGEST_ANSWER, OutgoingFailed, OutgoingRefused, Reach, get, is_public, post
from idp.settings import Settings, SettingsError
from tests.support.authority import Authority
from tests.support.portal_server import Canary, Page, PortalServer, serving

JSON = ("application/json",)
HERE = (ipaddress.ip_network("127.0.0.1/32"),)


class Names:
    """A resolver whose answers a test decides; an attacker's name server may answer differently every time."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def canary() -> Iterator[Canary]:
    made = Canary()
    yield made
    made.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def server(authority: Authority) -> Iterator[PortalServer]:
    with serving(authority, "localhost", "portal.example") as made:
        yield made


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",  # noqa: S104 - refused here
        "100.100.100.200", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.9", "224.0.0.1", "240.0.0.1",
        "255.255.255.255", "192.88.99.1", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1",
        "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:4136:e378::1", "fc00::1", "fd12::1", "fe80::1",
        "fec0::1", "ff02::1", "2001:db8::1", "3fff::1", "100::1",
    ],
)  # fmt: skip
def test_no_private_reserved_or_wrapped_address_is_public(address: str, canary: Canary) -> None:
    assert not is_public(ipaddress.ip_address(address))
    reach = Reach(resolver=Names([address]))
    for ask in (get_of, post_to):
        with pytest.raises(OutgoingRefused):
            ask(f"https://portal.example:{canary.port}/", reach)
    assert not canary.was_touched()


def test_public_addresses_are_public() -> None:
    for address in ("1.1.1.1", "130.59.31.80", "2a00:1450:4001:82f::200e", "2606:4700::1111"):
        assert is_public(ipaddress.ip_address(address))


def get_of(url: str, reach: Reach, **more: Any) -> bytes:
    return get(url, reach=reach, types=JSON, **more).body


def post_to(url: str, reach: Reach) -> None:
    post(url, b"", {}, reach=reach)


@pytest.mark.parametrize(
    "url",
    [
        "https://localhost:{port}/", "https://127.0.0.1:{port}/", "https://[::1]:{port}/", "https://2130706433:{port}/",
        "https://0x7f.1:{port}/", "https://127.1:{port}/", "https://0177.0.0.1:{port}/", "https://[::ffff:7f00:1]:{port}/",
        "http://localhost:{port}/", "http://1.1.1.1:{port}/", "ftp://localhost:{port}/", "file:///etc/passwd",
        "gopher://localhost:{port}/", "localhost:{port}", "https:///", "",
    ],
)  # fmt: skip
def test_this_machine_is_not_reached_under_any_spelling(url: str, canary: Canary) -> None:
    with pytest.raises((OutgoingRefused, OutgoingFailed)):
        get_of(url.format(port=canary.port), Reach())
    assert not canary.was_touched()


def test_a_name_that_leads_to_both_a_public_and_a_private_address_is_refused(canary: Canary) -> None:
    reach = Reach(resolver=Names(["1.1.1.1", "127.0.0.1"]))
    with pytest.raises(OutgoingRefused):
        get_of(f"https://portal.example:{canary.port}/", reach)
    assert not canary.was_touched()


def test_a_rebinding_name_is_asked_once_and_its_first_answer_pinned(authority: Authority, server: PortalServer) -> None:
    server.pages["/jwks"] = Page(b"{}")
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    reach = Reach(networks=HERE, ca_file=authority.file, resolver=names)
    canary = Canary("127.0.0.2")
    try:
        assert get_of(server.url("/jwks", "portal.example"), reach) == b"{}"
        assert names.asked == ["portal.example"]
        with pytest.raises(OutgoingRefused):
            get_of(server.url("/jwks", "portal.example"), reach)  # and now it leads elsewhere
        assert not canary.was_touched()
    finally:
        canary.close()


def test_a_redirect_is_an_answer_and_never_followed(authority: Authority, server: PortalServer, canary: Canary) -> None:
    reach = Reach(frozenset({"localhost"}), ca_file=authority.file)
    for status in (301, 302, 303, 307, 308):
        server.pages["/jwks"] = Page(status=status, headers={"Location": f"http://127.0.0.1:{canary.port}/secret"})
        with pytest.raises(OutgoingFailed, match=str(status)):
            get_of(server.url("/jwks"), reach)
        assert post(server.url("/jwks"), b"", {}, reach=reach).status == status
    assert not canary.was_touched()


def test_a_certificate_must_be_for_the_name_and_of_a_trusted_authority(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other", "Another authority")
    with serving(authority, "other.example") as server:
        server.pages["/jwks"] = Page(b"{}")
        for reach in (
            Reach(networks=HERE, ca_file=authority.file, resolver=Names(["127.0.0.1"])),  # the name is wrong
            Reach(networks=HERE, resolver=Names(["127.0.0.1"])),
            Reach(networks=HERE, ca_file=stranger.file, resolver=Names(["127.0.0.1"])),
        ):
            with pytest.raises(OutgoingFailed, match=r"SSL|Certificate"):
                get_of(server.url("/jwks", "portal.example"), reach)
        trusted = Reach(networks=HERE, ca_file=authority.file, trusts_public_ca=False, resolver=Names(["127.0.0.1"]))
        assert get_of(server.url("/jwks", "other.example"), trusted) == b"{}"
        assert server.asked == ["/jwks"]


def test_size_type_status_and_encoding_are_judged(authority: Authority, server: PortalServer) -> None:
    reach = Reach(frozenset({"localhost"}), ca_file=authority.file)
    fitting = b" " * LARGEST_ANSWER
    server.pages = {
        "/fits": Page(fitting), "/charset": Page(b"{}", "Application/JSON; charset=utf-8"),
        "/large": Page(fitting + b" "), "/huge": Page(fitting * 200), "/html": Page(b"<p>", "text/html"),
        "/none": Page(b"{}", ""), "/error": Page(b"{}", status=500), "/partial": Page(b"{}", status=206),
    }  # fmt: skip
    assert get_of(server.url("/fits"), reach) == fitting
    assert get_of(server.url("/charset?x=1").replace("?x=1", ""), reach) == b"{}"
    for path in ("/large", "/huge", "/html", "/none", "/error", "/partial", "/missing"):
        with pytest.raises(OutgoingFailed):
            get_of(server.url(path), reach)
    assert post(server.url("/huge"), b"", {}, reach=reach).status == 200


def test_a_server_that_drips_is_cut_off(authority: Authority, server: PortalServer) -> None:
    reach = Reach(frozenset({"localhost"}), ca_file=authority.file)
    begun, pause = time.monotonic(), threading.Event()
    server.pages["/drip"] = Page(b"{", trickle=lambda: bool(pause.wait(0.05)) and None)
    with pytest.raises(OutgoingFailed):
        get_of(server.url("/drip"), reach, within=0.5)
    assert 0.4 < time.monotonic() - begun < 20


def test_an_endless_answer_is_left_as_soon_as_it_is_too_long(authority: Authority, server: PortalServer) -> None:
    reach = Reach(frozenset({"localhost"}), ca_file=authority.file)
    server.pages["/endless"] = Page(b" " * LARGEST_ANSWER, trickle=lambda: None)
    with pytest.raises(OutgoingFailed, match="too large"):
        get_of(server.url("/endless"), reach, within=5)


def test_what_is_opened_is_still_spoken_to_by_https_alone() -> None:
    with serving(None) as server:
        server.pages["/jwks"] = Page(b"{}")
        address = server.url("/jwks").replace("https:", "http:")
        with pytest.raises(OutgoingRefused):
            get_of(address, Reach(frozenset({"localhost"})))
        assert get_of(address, Reach(frozenset({"localhost"}), allows_http=True)) == b"{}"
        assert server.asked == ["/jwks"]


def test_an_end_that_the_deadline_made_is_no_answer(authority: Authority, server: PortalServer) -> None:
    """A body without a length ends when the connection does; what was cut off must not pass for the whole."""
    reach = Reach(frozenset({"localhost"}), ca_file=authority.file)
    stuck = threading.Event()
    server.pages["/stuck"] = Page(b'{"keys":[]}', trickle=lambda: bool(stuck.wait(5)) and None)
    with pytest.raises(OutgoingFailed, match="TimeoutError"):
        get_of(server.url("/stuck"), reach, within=0.5)
    stuck.set()


def test_a_server_that_accepts_and_says_nothing_is_left(authority: Authority) -> None:
    reach, silent, begun = Reach(frozenset({"localhost"}), ca_file=authority.file), Canary(), time.monotonic()
    with pytest.raises(OutgoingFailed):
        get_of(f"https://localhost:{silent.port}/", reach, within=0.3)
    assert time.monotonic() - begun < 20
    silent.close()


def test_a_name_server_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idp.services.http_out.CONNECT_S", 0.2)
    release, begun = threading.Event(), time.monotonic()

    def hang(host: str, port: int) -> list[str]:
        release.wait(5)
        return ["127.0.0.1"]

    with pytest.raises(OutgoingFailed, match="no address"):
        get_of("https://portal.example/", Reach(networks=HERE, resolver=hang))
    assert time.monotonic() - begun < 20
    release.set()


def test_the_second_address_is_tried_when_the_first_is_dead(authority: Authority, server: PortalServer) -> None:
    server.pages["/jwks"] = Page(b"{}")
    both = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
    reach = Reach(networks=both, ca_file=authority.file, resolver=Names(["127.0.0.9", "127.0.0.1"]))
    assert get_of(server.url("/jwks", "portal.example"), reach) == b"{}"
    nobody = Reach(networks=both, resolver=Names([]))
    with pytest.raises(OutgoingFailed, match="no address"):
        get_of("https://portal.example/", nobody)


def test_the_operator_may_open_places_of_his_own_by_name_or_network(
    environment: dict[str, str], authority: Authority, server: PortalServer
) -> None:
    server.pages["/jwks"] = Page(b"{}")
    opened = {"CONNECT_PORTALS_INSIDE": "LocalHost, 10.0.0.0/8", "CONNECT_PORTALS_CA_FILE": str(authority.file)}
    reach = Reach.of_portals(Settings.from_environ({**environment, **opened}))
    assert get_of(server.url("/jwks"), reach) == b"{}"
    assert reach.allows("portal.example", "10.9.9.9")
    assert not reach.allows("portal.example", "192.168.0.1")
    with pytest.raises(OutgoingRefused):
        get_of(server.url("/jwks", "127.0.0.1"), reach)
    closed = Reach.of_portals(Settings.from_environ(environment))
    with pytest.raises(OutgoingRefused):
        get_of(server.url("/jwks"), closed)


def test_places_that_cannot_be_read_are_faults(environment: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ({**environment, "CONNECT_PORTALS_INSIDE": "ok.example,10.0.0.0/99,spa ce,10.0.0.1/8,::x"})
    assert [fault.split(":")[1].split()[1] for fault in caught.value.faults] == ["2", "3", "4", "5"]
