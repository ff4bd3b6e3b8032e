"""Mail M5 (ux.md §7.2): something happened to the account, on this device, at that time; was it you?"""

from __future__ import annotations

from idp.clock import Clock
from idp.models.account import Holder
from idp.models.portal import Portal
from idp.services.outbox import Outbox
from idp.texts import Texts, format_day, format_time


class Notices:
    def __init__(self, clock: Clock, texts: Texts, outbox: Outbox) -> None:
        self._clock = clock
        self._texts = texts
        self._outbox = outbox

    def tell(
        self, event: str, account: Holder | None, *, portal: Portal | None, device: str, place: str, typed: str = "",
        language: str = "fr", left: int | None = None, to: str = "", added: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """Queue the mail for `event.…`. Without an account the same row is written and dropped, for `typed`.

        Of no portal the installation signs. `left` is how many recovery codes remain; `to` is the address that
        the account had until now; `added` are lines below.
        """
        now = self._clock.now()
        spoken = account.language if account else language
        self._outbox.mail(
            "notice",
            to=to or (account.email if account else typed),
            language=spoken,
            portal=portal,
            values={
                "event": self._texts.get(spoken, f"event.{event}"),
                "date": format_day(now),
                "time": format_time(now),
                "device": device or self._texts.get(spoken, "device.unknown"),
                "place": place,
                **({"phone": portal.phone} if portal else {}),
            },
            added=added if left is None else (self._texts.get(spoken, "rec.left", n=left),),
            is_decoy=account is None,
        )
