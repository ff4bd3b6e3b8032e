"""The application with one careless line in it, for the search that must find what that line gives away."""

from __future__ import annotations

import os

import structlog
from flask import request

from wsgi import app

LEAK = os.environ["LEAK"]


@app.before_request
def _careless() -> None:
    log = structlog.get_logger("idp.careless")
    password = request.form.get("password")
    if password is None:
        return
    if LEAK == "by_field":
        log.info("seen", detail=password)
    elif LEAK == "by_sentence":
        log.info(f"somebody typed {password}")
    elif LEAK == "by_print":
        print(request.form["csrf_token"], flush=True)  # noqa: T201 - that is the point
    else:
        os.write(2, f"ValueError: {password}\n".encode())
