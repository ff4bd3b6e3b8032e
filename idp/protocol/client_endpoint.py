"""What the endpoints for authenticated clients have in common: one form, one client, one way to say no."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from flask import Request, Response

from idp.errors import ProtocolError
from idp.models.portal import Portal
from idp.protocol import client_auth
from idp.protocol.json_answer import refuse
from idp.protocol.token_request import check_form
from idp.services.bundle import Services, services

log = structlog.get_logger(__name__)


def guarded(request: Request, work: Callable[[], Response]) -> Response:
    """Do the work for a well-formed request; whatever a hostile one makes the libraries raise is `invalid_request`.

    What was written before a refusal stays: a code, proof or assertion is used up, a replay has revoked its grant.
    """
    try:
        check_form(request)
        return work()
    except ProtocolError as error:
        return refuse(error)
    except ValueError as error:
        log.warning("request_malformed", kind=type(error).__name__)
        return refuse(ProtocolError("invalid_request", "a parameter is malformed"))


def serve(request: Request, work: Callable[[Services, Portal], Response]) -> Response:
    """Do the work for the client that proved who it is."""
    bundle = services()
    return guarded(request, lambda: work(bundle, client_auth.authenticate_request(bundle, request)))
