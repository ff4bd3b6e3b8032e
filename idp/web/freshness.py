"""Before anything of a request: what operators chose in the meantime counts (idp/services/live_settings.py)."""

from __future__ import annotations

from flask import Flask

from idp.services.bundle import services
from idp.web.in_memory import current_request


def install(app: Flask) -> None:
    @app.before_request
    def _refresh() -> None:
        if current_request().endpoint != "static":
            services().live.refresh()
