"""The composition root: `create_app` builds the services and mounts the entrances."""

from __future__ import annotations

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from flows.views import blueprint as journeys
from idp.pages.pages import blueprint as pages
from idp.services.assembly import attach, build_services
from idp.services.bundle import Services
from idp.settings import Settings
from idp.web import errors, guard, headers, i18n, log, render, unit


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
    for blueprint in (pages, journeys):
        app.register_blueprint(blueprint)
    return app
