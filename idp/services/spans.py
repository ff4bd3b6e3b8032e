"""Spans of what a process does, for whoever follows one request through many programs; none until they are asked for.

What a span says is decided here and in its callers, from closed lists: a route as it is declared, a host, a statement
without its values. Addresses, parameters and what an exception says hold codes and tokens and are in no span.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

SERVER, CLIENT = "server", "client"
Noted = Mapping[str, str | int]


class Span(Protocol):
    trace_id: str  # 32 hexadecimal digits; empty where nothing is traced

    def note(self, noted: Noted) -> None: ...

    def end(self, error: str = "") -> None:
        """`error` is a class or a status, never a sentence."""
        ...


class Tracer(Protocol):
    def begin(self, name: str, kind: str, noted: Noted, parent: str) -> Span: ...

    def begin_within(self, name: str, noted: Noted) -> Span | None: ...


class _NoSpan:
    trace_id = ""

    def note(self, noted: Noted) -> None:
        """Nobody follows."""

    def end(self, error: str = "") -> None:
        """Nobody follows."""


NO_SPAN: Span = _NoSpan()


class Spans:
    def __init__(self, *, is_wanted: bool) -> None:
        self._is_wanted = is_wanted
        self.tracer: Tracer | None = None

    def start(self) -> None:
        """Trace from now on, where the installation wants it: what serves and what works, no command."""
        if self._is_wanted and self.tracer is None:
            from idp.services.otel import OpenTelemetry  # an extra of the package, which most do without

            self.tracer = OpenTelemetry()

    def begin(self, name: str, kind: str, noted: Noted, parent: str = "") -> Span:
        """A span that others of this thread begin within, if it is of a server. `parent` is a `traceparent`."""
        return self.tracer.begin(name, kind, noted, parent) if self.tracer else NO_SPAN


NO_SPANS = Spans(is_wanted=False)
