"""The composition root: `create_app` builds the services and mounts the entrances, `app` is what a server runs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from flows.views import blueprint as journeys
from idp.account.pages import blueprint as account
from idp.demo.pages import blueprint as demo
from idp.endpoints.authorize import blueprint as authorize
from idp.endpoints.end_session import blueprint as end_session
from idp.endpoints.machine import blueprint as machine
from idp.pages.pages import blueprint as pages
from idp.services.assembly import attach, build_services
from idp.services.bundle import Services
from idp.services.delivery import Worker
from idp.settings import Settings
from idp.web import errors, guard, headers, i18n, log, render, unit

if TYPE_CHECKING:
    app: Flask


def create_app(settings: Settings | None = None, services: Services | None = None) -> Flask:
    """The web application. Raises `SettingsError` when the configuration cannot be used."""
    settings = settings or (services.settings if services else Settings.from_environ())
    services = services or build_services(settings)
    app = Flask("idp", static_folder="static", static_url_path="/static", template_folder=str(render.TEMPLATES))
    attach(app, services)
    if settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.trusted_proxies, x_proto=0, x_host=0)  # type: ignore[method-assign]
    for part in (log, render, i18n, guard, unit, headers, errors):
        part.install(app)
    for blueprint in (pages, machine, authorize, end_session, account, journeys):
        app.register_blueprint(blueprint)
    if settings.demo_folder is not None:
        app.register_blueprint(demo)
    return app


def _serve() -> Flask:
    settings = Settings.from_environ()
    log.configure(settings.log_level)
    served = create_app(settings)
    with served.app_context():
        served.extensions["connect"].keyring.ensure()
    if settings.embedded_worker:
        threading.Thread(target=Worker(served).run_forever, args=(threading.Event(),), daemon=True).start()
    return served


def __getattr__(name: str) -> Flask:
    """`wsgi:app` is built when a server asks for it, so that importing `create_app` reads no environment."""
    if name != "app":
        raise AttributeError(name)
    globals()["app"] = served = _serve()
    return served
