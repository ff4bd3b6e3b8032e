"""One operation of the API as it is declared: the same declaration checks requests and describes the API (OpenAPI)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from idp.models.portal import Portal
from idp.services.api_clients import Caller
from idp.services.permissions import Scope
from idp.web.problems import Kind, Problem

STANDARD_BODY, LARGE_BODY = 64 * 1024, 1024 * 1024


class Body(BaseModel):
    """What is sent: nothing but what is declared, of exactly these types."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class Shown(BaseModel):
    """What is answered: every member always stands there, null where there is nothing."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class Query(BaseModel):
    """What may stand behind the question mark."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Paged(Query):
    """A list goes on after the id where the last page ended (`next`), whatever was added meanwhile."""

    after: UUID | None = Field(None, description="`next` of the page before")
    limit: int = Field(100, ge=1, le=500, description="how many at most")


@dataclass(frozen=True, repr=False)
class Call:
    """One request that was let through: who asks, about which portal, with what."""

    caller: Caller
    portal_or_none: Portal | None
    path: Mapping[str, Any]
    query: Any
    body: Any
    if_match: str | None
    if_none_match: str | None

    @property
    def portal(self) -> Portal:
        """The portal of the address."""
        return cast(Portal, self.portal_or_none)


@dataclass(frozen=True, repr=False)
class Answer:
    body: BaseModel | None
    status: int = 200
    etag: str | None = None


@dataclass(frozen=True)
class Operation:
    """`path` as the router writes it, below /api/v1. `needs_match`: nobody writes over what they have not read."""

    method: str
    path: str
    scope: Scope
    run: Callable[[Call], Answer]
    summary: str
    answer: type[BaseModel] | None
    status: int = 200
    query: type[Query] = Query
    body: type[BaseModel] | None = None
    largest: int = STANDARD_BODY
    needs_match: bool = False
    may: tuple[Kind, ...] = field(default=())  # what can be wrong beside what can be wrong everywhere

    @property
    def name(self) -> str:
        return self.run.__name__

    @property
    def is_about_portal(self) -> bool:
        return "<slug>" in self.path

    @property
    def takes_key(self) -> bool:
        """Whether an Idempotency-Key counts: what is idempotent by itself needs none."""
        return self.method in {"POST", "PATCH"}


def document_of(shown: BaseModel) -> Any:
    """As JSON has it. What was stored under an older rule is told all the same, without a warning for the log."""
    return shown.model_dump(mode="json", warnings=False)


def etag_of(shown: BaseModel) -> str:
    """A strong entity tag (RFC 9110 §8.8.3) of what is shown."""
    said = json.dumps(document_of(shown), sort_keys=True)
    return f'"{hashlib.sha256(said.encode()).hexdigest()[:32]}"'


def matches(condition: str, etag: str | None) -> bool:
    """Whether a condition of RFC 9110 §13.1 holds for what is there now; None: nothing is."""
    if condition.strip() == "*":
        return etag is not None
    return etag is not None and etag in {one.strip() for one in condition.split(",")}


def check_match(call: Call, etag: str | None) -> None:
    """RFC 9110 §13.1.1, §13.1.2. Raises `Problem` 412."""
    if call.if_match is not None and not matches(call.if_match, etag):
        raise Problem(Kind.PRECONDITION_FAILED)
    if call.if_none_match is not None and matches(call.if_none_match, etag):
        raise Problem(Kind.PRECONDITION_FAILED)
