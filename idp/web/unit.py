"""One unit of work per request: what a view returned is committed, what it raised is rolled back."""

from __future__ import annotations

from flask import Flask, Response

from idp.models.base import db


def install(app: Flask) -> None:
    @app.after_request
    def _commit(response: Response) -> Response:
        if response.status_code >= 500:
            db.session.rollback()
        else:
            db.session.commit()
        return response
