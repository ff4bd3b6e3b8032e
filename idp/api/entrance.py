"""What every request of the API passes, in this order; a refusal at one step says nothing of the later ones."""

from __future__ import annotations

import hashlib
import json
from functools import wraps
from math import ceil
from typing import Any

from flask import Response, g, request
from pydantic import BaseModel, ValidationError

from idp.api import strict_json
from idp.api.operation import Answer, Call, Operation, document_of, matches
from idp.models.base import db
from idp.models.portal import Portal, find_portal_in_any_state
from idp.services.api_clients import Caller
from idp.services.api_replies import Begun, Busy, Reply, Reused
from idp.services.bundle import services
from idp.services.permissions import SCOPES
from idp.services.throttle import Volume
from idp.web import problems
from idp.web.problems import Kind, Problem

REALM = "connect-api"
LONGEST_KEY = 200
KEPT_HEADERS = ("Content-Type", "ETag")


def view_of(operation: Operation) -> Any:
    """The view of an operation, under the name of the function that does its work."""

    @wraps(operation.run)
    def view(**path: Any) -> Response:
        try:
            caller = _caller()
            _count(caller)
            _check_scope(operation, caller)
            portal = _portal(operation, caller, path)
            call = Call(caller, portal, path, _query(operation), _body(operation), *_conditions(operation))
            return _answered(operation, call)
        except Problem as problem:
            db.session.rollback()
            return problems.answer(problem)

    return view


def _caller() -> Caller:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        # RFC 6750 §3.1: who shows nothing is told no error code.
        raise Problem(Kind.UNAUTHORIZED, headers={"WWW-Authenticate": f'Bearer realm="{REALM}"'})
    caller = services().api_clients.find(token.strip())
    if caller is None:
        challenge = f'Bearer realm="{REALM}", error="invalid_token"'
        raise Problem(Kind.UNAUTHORIZED, headers={"WWW-Authenticate": challenge})
    g.actor_id = caller.client.id  # whatever is recorded from here on bears its name
    return caller


def _count(caller: Caller) -> None:
    open_at = services().throttle.spend(Volume.API_CALLS, caller.client.client_id)
    if open_at is not None:
        wait = ceil((open_at - services().clock.now()).total_seconds())
        raise Problem(Kind.TOO_MANY_REQUESTS, headers={"Retry-After": str(max(1, wait))})


def _check_scope(operation: Operation, caller: Caller) -> None:
    if not caller.rights.holds(SCOPES[operation.scope]):
        challenge = f'Bearer realm="{REALM}", error="insufficient_scope", scope="{operation.scope}"'
        raise Problem(Kind.INSUFFICIENT_SCOPE, f"Needed is {operation.scope}.", headers={"WWW-Authenticate": challenge})


def _portal(operation: Operation, caller: Caller, path: dict[str, Any]) -> Portal | None:
    """The portal of another fund is as one that does not exist (C-74)."""
    if not operation.is_about_portal:
        return None
    portal = find_portal_in_any_state(path.pop("slug"))
    if portal is None or not caller.rights.may(SCOPES[operation.scope], portal.id):
        raise Problem(Kind.NOT_FOUND)
    return portal


def _query(operation: Operation) -> BaseModel:
    given = request.args.to_dict(flat=False)
    if repeated := [name for name, values in given.items() if len(values) > 1 and name in operation.query.model_fields]:
        raise Problem(Kind.MALFORMED, "", [(name, "stands twice") for name in repeated])
    try:
        return operation.query.model_validate({name: values[0] for name, values in given.items()})
    except ValidationError as error:
        raise Problem(Kind.MALFORMED, "The query is wrong.", _places(error, "")) from None


def _body(operation: Operation) -> BaseModel | None:
    if operation.body is None:
        return None
    document = strict_json.read(request)
    try:
        return operation.body.model_validate(document)
    except ValidationError as error:
        raise Problem(Kind.INVALID, "", _places(error, "/")) from None


def _places(error: ValidationError, begin: str) -> list[tuple[str, str]]:
    """Where it is wrong, as a JSON pointer into the body (RFC 6901) or the name in the query; values are not told."""
    return [
        (
            begin + "/".join(str(part).replace("~", "~0").replace("/", "~1")[:80] for part in fault["loc"]),
            fault["msg"].removeprefix("Value error, "),
        )
        for fault in error.errors(include_input=False, include_url=False, include_context=False)[:100]
    ]


def _conditions(operation: Operation) -> tuple[str | None, str | None]:
    if operation.method == "GET":
        return None, None
    if operation.needs_match and "If-Match" not in request.headers:
        raise Problem(Kind.PRECONDITION_REQUIRED, "Read it first, and send its ETag.")
    return request.headers.get("If-Match"), request.headers.get("If-None-Match")


def _answered(operation: Operation, call: Call) -> Response:
    key = request.headers.get("Idempotency-Key") if operation.takes_key else None
    if key is None:
        return _response(operation.run(call))
    if not 0 < len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise Problem(Kind.MALFORMED, f"An Idempotency-Key has 1 to {LONGEST_KEY} printable ASCII characters.")
    begun = services().api_replies.begin(call.caller.client.id, key, _request_hash(call))
    if isinstance(begun, Reply):
        return Response(begun.body, begun.status, begun.headers)
    if isinstance(begun, Busy):
        raise Problem(Kind.IN_PROGRESS, headers={"Retry-After": "1"})
    if isinstance(begun, Reused):
        raise Problem(Kind.KEY_REUSED)
    return _done_once(operation, call, begun)


def _done_once(operation: Operation, call: Call, begun: Begun) -> Response:
    """What is done and its answer are one transaction; whatever goes wrong leaves neither."""
    is_done = False
    try:
        response = _response(operation.run(call))
        headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
        reply = Reply(response.status_code, headers, response.get_data(as_text=True))
        if not services().api_replies.keep(begun, reply):
            raise Problem(Kind.IN_PROGRESS, headers={"Retry-After": "1"})
        db.session.commit()
        is_done = True
        return response
    finally:
        if not is_done:
            db.session.rollback()
            services().api_replies.forget(begun)


def _request_hash(call: Call) -> str:
    body = call.body.model_dump(mode="json", exclude_unset=True) if call.body is not None else None
    said = json.dumps([request.method, request.full_path, body, call.if_match, call.if_none_match], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def _response(answer: Answer) -> Response:
    if answer.body is None:
        return Response(status=answer.status)
    known = request.headers.get("If-None-Match")
    if answer.etag and known and request.method in {"GET", "HEAD"} and matches(known, answer.etag):
        return Response(status=304, headers={"ETag": answer.etag})
    body = json.dumps(document_of(answer.body), ensure_ascii=False)
    response = Response(body, answer.status, content_type="application/json")
    if answer.etag:
        response.headers["ETag"] = answer.etag
    return response
