"""The error families that cross floors: `ProtocolError` goes to a relying party, `Fault` is ours.

A refusal to a person is a value (`flows.engine.Retry`), never an exception.
"""

from __future__ import annotations


class ProtocolError(Exception):
    """An answer of RFC 6749 §4.1.2.1 or §5.2. `description` is printable ASCII and never built from input.

    `log_detail` never leaves the house; `challenge` is the `WWW-Authenticate` that a 401 needs (RFC 9110 §11.6.1).
    """

    status = 400

    def __init__(
        self,
        code: str,
        description: str,
        *,
        log_detail: str = "",
        status: int | None = None,
        challenge: str | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.description = description
        self.log_detail = log_detail
        self.challenge = challenge
        if status is not None:
            self.status = status


class Fault(Exception):
    """Something of ours is broken; the person sees a page with a reference number."""


class BadInput(Exception):
    """An operator's input that cannot be used; `message` says in words what is wrong and where."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
