"""What the page of an authenticator app's set-up shows: the key as QR, as address and in groups (ux.md R6)."""

from __future__ import annotations

import io
from dataclasses import dataclass

import segno
from markupsafe import Markup

from idp.services.bundle import services


@dataclass(frozen=True, repr=False)
class AppSetup:
    uri: str
    key: str  # in groups of four
    raw_key: str
    qr: Markup


def app_setup(seed: str) -> AppSetup:
    uri = services().totp.uri(seed)
    key = " ".join(seed[at : at + 4] for at in range(0, len(seed), 4))
    return AppSetup(uri=uri, key=key, raw_key=seed, qr=_qr(uri))


def _qr(uri: str) -> Markup:
    """Error level M, four modules of quiet zone, always black on white (ux.md §8.3). Made by us, so safe as markup."""
    out = io.BytesIO()
    segno.make(uri, error="m", micro=False).save(
        out, kind="svg", border=4, dark="#000", light="#fff", xmldecl=False, svgns=True, omitsize=True, svgclass=None,
        lineclass=None,
    )  # fmt: skip
    return Markup(out.getvalue().decode())  # noqa: S704 - the library's drawing of our own address
