"""The composition root: `create_app` builds the services and mounts the entrances."""

from __future__ import annotations

import gc

gc.disable()  # nothing of what is loaded here is garbage, and looking for some takes a fifth of the loading

import threading
from typing import Any

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from flows.views import blueprint as journeys
from flows.way_back import blueprint as way_back
from idp.account.apps import blueprint as apps
from idp.account.factor_reset import blueprint as factor_reset
from idp.account.kept import blueprint as kept
from idp.account.letter import blueprint as letter
from idp.account.overview import blueprint as account
from idp.account.own_data import blueprint as own_data
from idp.account.passkeys import blueprint as passkeys
from idp.account.portals import blueprint as portals
from idp.account.profile import blueprint as profile
from idp.account.security import blueprint as security
from idp.account.session import blueprint as session
from idp.account.well_known import blueprint as well_known
from idp.admin.api_clients import blueprint as admin_api_clients
from idp.admin.audit import blueprint as admin_audit
from idp.admin.audit_file import blueprint as admin_audit_file
from idp.admin.call import blueprint as admin_call
from idp.admin.code_deeds import blueprint as admin_code_deeds
from idp.admin.codes import blueprint as admin_codes
from idp.admin.codes_in_bulk import blueprint as admin_codes_in_bulk
from idp.admin.exports import blueprint as admin_exports
from idp.admin.factor_reset import blueprint as admin_factor_reset
from idp.admin.home import blueprint as admin_home
from idp.admin.import_deeds import blueprint as admin_import_deeds
from idp.admin.import_feed import blueprint as admin_import_feed
from idp.admin.import_upload import blueprint as admin_import_upload
from idp.admin.imports import blueprint as admin_imports
from idp.admin.invitation import blueprint as admin_invitation
from idp.admin.key_calendar import blueprint as admin_key_calendar
from idp.admin.keys import blueprint as admin_keys
from idp.admin.letter_archive import blueprint as admin_letter_archive
from idp.admin.letter_batch import blueprint as admin_letter_batch
from idp.admin.letter_deeds import blueprint as admin_letter_deeds
from idp.admin.letter_files import blueprint as admin_letter_files
from idp.admin.letter_returns import blueprint as admin_letter_returns
from idp.admin.letters import blueprint as admin_letters
from idp.admin.letters_at_once import blueprint as admin_letters_at_once
from idp.admin.maintenance import blueprint as admin_maintenance
from idp.admin.message_texts import blueprint as admin_message_texts
from idp.admin.messages import blueprint as admin_messages
from idp.admin.operators import blueprint as admin_operators
from idp.admin.person import blueprint as admin_person
from idp.admin.person_deeds import blueprint as admin_person_deeds
from idp.admin.persons import blueprint as admin_persons
from idp.admin.portal_brand import blueprint as admin_portal_brand
from idp.admin.portal_checks import blueprint as admin_portal_checks
from idp.admin.portal_edit import blueprint as admin_portal_edit
from idp.admin.portal_invite import blueprint as admin_portal_invite
from idp.admin.portal_secrets import blueprint as admin_portal_secrets
from idp.admin.portal_state import blueprint as admin_portal_state
from idp.admin.portal_texts import blueprint as admin_portal_texts
from idp.admin.portals import blueprint as admin_portals
from idp.admin.recovery_letters import blueprint as admin_recovery_letters
from idp.admin.recovery_piles import blueprint as admin_recovery_piles
from idp.admin.saved_views import blueprint as admin_saved_views
from idp.admin.setting_change import blueprint as admin_setting_change
from idp.admin.settings import blueprint as admin_settings
from idp.admin.sign_in import blueprint as admin_sign_in
from idp.admin.webhook_deeds import blueprint as admin_webhook_deeds
from idp.admin.webhooks import blueprint as admin_webhooks
from idp.api.routes import blueprint as api
from idp.demo.pages import blueprint as demo
from idp.endpoints.authorize import blueprint as authorize
from idp.endpoints.device import blueprint as device
from idp.endpoints.device_authorization import blueprint as device_authorization
from idp.endpoints.discovery import blueprint as discovery
from idp.endpoints.end_session import blueprint as end_session
from idp.endpoints.import_feed import blueprint as import_feed
from idp.endpoints.introspection import blueprint as introspection
from idp.endpoints.machines import DOCUMENTS, TABLE
from idp.endpoints.probes import blueprint as probes
from idp.endpoints.pushed_authorization import blueprint as pushed_authorization
from idp.endpoints.registration import blueprint as registration
from idp.endpoints.revocation import blueprint as revocation
from idp.endpoints.self_test import blueprint as self_test
from idp.endpoints.sms_receipt import blueprint as sms_receipt
from idp.endpoints.token import blueprint as token
from idp.endpoints.userinfo import blueprint as userinfo
from idp.pages.pages import blueprint as pages
from idp.places import TEMPLATES
from idp.services.assembly import attach, build_services
from idp.services.bundle import Services
from idp.services.bundle import services as current_services
from idp.services.delivery import Worker
from idp.services.known_settings import notice
from idp.settings import Settings
from idp.web import errors, freshness, guard, headers, heap, i18n, log, precedence, render, trace, unit
from idp.web.application import Application
from idp.web.machine_door import MachineDoor

gc.freeze()  # nor is it looked through again later
gc.enable()


def create_app(settings: Settings | None = None, services: Services | None = None) -> Flask:
    """The web application. Raises `SettingsError` when the configuration cannot be used."""
    settings = settings or (services.settings if services else Settings.from_environ())
    services = services or build_services(settings)
    app = Application("idp", static_folder="static", static_url_path="/static", template_folder=str(TEMPLATES))
    app.url_map.merge_slashes = False  # `//host/` is no page; nothing is answered by a redirect of the router's own
    services.metrics.start()
    services.spans.start()
    attach(app, services)
    app.wsgi_app = MachineDoor(app, services, TABLE, DOCUMENTS)  # type: ignore[method-assign]
    if settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.trusted_proxies, x_proto=0, x_host=0)  # type: ignore[method-assign]
    for part in (trace, log, freshness, render, guard, i18n, unit, headers, errors):
        part.install(app)
    for blueprint in (
        probes,
        pages,
        account,
        profile,
        portals,
        security,
        own_data,
        letter,
        factor_reset,
        apps,
        kept,
        session,
        passkeys,
        well_known,
        authorize,
        pushed_authorization,
        token,
        userinfo,
        discovery,
        end_session,
        registration,
        introspection,
        revocation,
        device_authorization,
        device,
        self_test,
        import_feed,
        api,
        sms_receipt,
        admin_sign_in,
        admin_invitation,
        admin_home,
        admin_messages,
        admin_message_texts,
        admin_keys,
        admin_key_calendar,
        admin_persons,
        admin_person,
        admin_person_deeds,
        admin_imports,
        admin_import_upload,
        admin_import_deeds,
        admin_import_feed,
        admin_letters,
        admin_letter_batch,
        admin_letter_deeds,
        admin_letter_files,
        admin_letter_returns,
        admin_letter_archive,
        admin_letters_at_once,
        admin_recovery_letters,
        admin_recovery_piles,
        admin_codes,
        admin_code_deeds,
        admin_codes_in_bulk,
        admin_exports,
        admin_saved_views,
        admin_factor_reset,
        admin_call,
        admin_operators,
        admin_api_clients,
        admin_webhooks,
        admin_webhook_deeds,
        admin_portals,
        admin_portal_edit,
        admin_portal_state,
        admin_portal_brand,
        admin_portal_texts,
        admin_portal_checks,
        admin_portal_secrets,
        admin_portal_invite,
        admin_settings,
        admin_setting_change,
        admin_maintenance,
        admin_audit,
        admin_audit_file,
        journeys,
        way_back,
    ):
        app.register_blueprint(blueprint)
    if settings.demo_folder is not None:
        app.register_blueprint(demo)
    return app


def _production() -> Flask:
    """The application that a server asks for by `wsgi:app`: logs, signing keys, and the worker where it is embedded."""
    heap.share_one()
    settings = Settings.from_environ()
    log.configure(settings.log_level)
    app = create_app(settings)
    with app.app_context():
        current_services().keyring.ensure()
        notice(current_services())
    gc.freeze()  # nor is what was built of it: each full look through it would stop every thread
    if settings.embedded_worker:
        threading.Thread(target=Worker(app).run_forever, args=(threading.Event(),), name="worker", daemon=True).start()
    precedence.behind()
    return app


def __getattr__(name: str) -> Any:
    """`app` is built when a server asks for it, so that importing this module for tests configures nothing."""
    if name != "app":
        raise AttributeError(name)
    application = _production()
    globals()["app"] = application
    return application
