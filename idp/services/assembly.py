"""The one place where the services are wired: production choices as defaults, arguments for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import URL, Engine, make_url

from idp.chance import Random, SystemRandom
from idp.clock import Clock, SystemClock
from idp.models import disk, units
from idp.models.base import db, prepare_sqlite
from idp.models.context import InContext
from idp.services.access_tokens import AccessTokens
from idp.services.accounts import Accounts
from idp.services.api_clients import ApiClients
from idp.services.api_replies import ApiReplies
from idp.services.attempts import Attempts
from idp.services.audit import Audit
from idp.services.bundle import Services
from idp.services.calls import Calls
from idp.services.challenges import Challenges
from idp.services.client_secrets import ClientSecrets
from idp.services.closing import Closing
from idp.services.code_changes import CodeChanges
from idp.services.desk import Desk
from idp.services.devices import Devices
from idp.services.dossier import Dossiers
from idp.services.factor_resets import FactorResets
from idp.services.http_out import Reach
from idp.services.import_jobs import ImportJobs
from idp.services.imports import Imports
from idp.services.invites import Invites
from idp.services.kept_forms import KeptForms
from idp.services.key_calendar import KeyCalendar
from idp.services.keyring import Keyring
from idp.services.letter_batches import LetterBatches
from idp.services.letters import Letters
from idp.services.list_exports import ListExports
from idp.services.live_settings import LiveSettings
from idp.services.locks import Locks
from idp.services.logout_notices import LogoutNotices
from idp.services.mail import MailSender, SMTPMailSender
from idp.services.maintenance import MaintenanceNotices
from idp.services.message_samples import MessageSamples
from idp.services.metrics import Metrics
from idp.services.notices import Notices
from idp.services.operator_sessions import OperatorSessions
from idp.services.operators import Operators
from idp.services.outbox import Outbox
from idp.services.passkeys import Passkeys
from idp.services.passwords import Passwords
from idp.services.persons import Persons
from idp.services.portal_config import PortalConfig
from idp.services.portal_keys import PortalKeys
from idp.services.portal_secrets import PortalSecrets
from idp.services.portals import Portals
from idp.services.recovery_codes import RecoveryCodes
from idp.services.recovery_letters import RecoveryLetters
from idp.services.recovery_prints import RecoveryPrints
from idp.services.registration_codes import RegistrationCodes
from idp.services.reminders import Reminders
from idp.services.returned_letters import ReturnedLetters
from idp.services.saved_views import SavedViews
from idp.services.self_tests import SelfTests
from idp.services.sessions import Sessions
from idp.services.setting_changes import SettingChanges
from idp.services.setting_config import SettingConfig
from idp.services.sign_out import SignOut
from idp.services.sms import SMSSender, sms_sender
from idp.services.spans import Spans
from idp.services.statements import watch_connections, watch_statements
from idp.services.throttle import Throttle
from idp.services.tokens import Tokens
from idp.services.totp import TOTP
from idp.services.trusted_devices import TrustedDevices
from idp.services.webhook_events import WebhookEvents
from idp.services.webhooks import Webhooks
from idp.settings import Settings
from idp.texts import Texts
from keys import Vault
from keys.master import read_master_key

POOL = 10  # connections that one process keeps; for a moment it may have as many again


def build_services(
    settings: Settings,
    *,
    clock: Clock | None = None,
    random: Random | None = None,
    mail: MailSender | None = None,
    sms: SMSSender | None = None,
    reach: Reach | None = None,
) -> Services:
    """Wire every service. Raises `keys.MasterKeyError` when the master key cannot be read."""
    clock = clock or SystemClock()
    random = random or SystemRandom()
    vault = Vault(
        read_master_key(
            value=settings.master_key.get_secret_value() if settings.master_key else None,
            descriptor=settings.master_key_fd,
            command=settings.master_key_command,
        )
    )
    live = LiveSettings(settings, clock)
    settings = live.settings  # from here on, what counts now
    texts, metrics, spans = Texts.load(), Metrics(settings.metrics_folder), Spans(is_wanted=settings.tracing)
    reach = reach or Reach.of_portals(settings, spans)
    webhook_events = WebhookEvents(clock, random)
    audit = Audit(clock, random, vault, webhook_events)
    setting_changes = SettingChanges(live, clock, audit)
    client_secrets = ClientSecrets(clock, random, vault)
    portal_secrets = PortalSecrets(clock, client_secrets, audit)
    operators = Operators(clock, random, audit)
    attempts = Attempts(clock, vault)
    codes = RegistrationCodes(clock, random, vault)
    tokens = Tokens(settings, clock, random, vault)
    outbox = Outbox(settings, clock, random, vault, texts)
    accounts, notices = Accounts(clock, random), Notices(clock, texts, outbox)
    challenges = Challenges(settings, clock, random, vault, outbox, attempts, audit)
    keyring = Keyring(settings, clock, vault)
    sessions = Sessions(settings, clock, random)
    trusted_devices = TrustedDevices(clock, random, audit)
    logout_notices = LogoutNotices(settings, clock, random, vault, keyring, tokens)
    sign_out = SignOut(sessions, tokens, logout_notices, trusted_devices)
    locks, dossiers = Locks(clock, attempts), Dossiers(clock, challenges)
    portals = Portals(clock, random, portal_secrets, audit, reach)
    letters = Letters(settings, clock, random, texts, codes, audit)
    recovery_letters = RecoveryLetters(
        settings, clock, random, texts, attempts, accounts, codes, outbox, notices, audit
    )
    return Services(
        settings=settings,
        live=live,
        setting_changes=setting_changes,
        setting_config=SettingConfig(setting_changes),
        maintenance=MaintenanceNotices(live, clock, audit),
        clock=clock,
        random=random,
        vault=vault,
        texts=texts,
        metrics=metrics,
        spans=spans,
        keyring=keyring,
        key_calendar=KeyCalendar(clock, keyring, audit),
        audit=audit,
        attempts=attempts,
        throttle=Throttle(settings, clock, vault, metrics),
        mail=mail or SMTPMailSender(settings),
        sms=sms or sms_sender(settings, metrics, spans),
        outbox=outbox,
        message_samples=MessageSamples(settings, texts, outbox),
        notices=notices,
        challenges=challenges,
        passwords=Passwords(settings, clock, vault, metrics),
        totp=TOTP(clock, random, vault),
        recovery_codes=RecoveryCodes(clock, random, vault),
        passkeys=Passkeys(settings, clock, random, vault),
        trusted_devices=trusted_devices,
        accounts=accounts,
        sessions=sessions,
        kept_forms=KeptForms(clock, random, vault),
        registration_codes=codes,
        tokens=tokens,
        access_tokens=AccessTokens(settings.issuer, clock),
        devices=Devices(settings, clock, random, vault, tokens),
        portals=portals,
        portal_config=PortalConfig(portals),
        portal_secrets=portal_secrets,
        api_clients=ApiClients(clock, random, client_secrets, audit),
        api_replies=ApiReplies(clock, vault),
        webhook_events=webhook_events,
        webhooks=Webhooks(clock, random, vault, audit, webhook_events),
        logout_notices=logout_notices,
        sign_out=sign_out,
        closing=Closing(clock, attempts, sign_out, tokens),
        reminders=Reminders(clock),
        self_tests=SelfTests(clock, random, vault),
        reach=reach,
        portal_keys=PortalKeys(clock, reach),
        invites=Invites(clock, random, audit),
        imports=Imports(clock, random, audit),
        import_jobs=ImportJobs(settings, clock, random, vault, audit),
        persons=Persons(settings, clock),
        locks=locks,
        dossiers=dossiers,
        calls=Calls(clock, random, vault, accounts, challenges, dossiers, audit),
        desk=Desk(clock, random, texts, audit, notices, locks, sessions, sign_out, codes),
        letters=letters,
        letter_batches=LetterBatches(clock, random, vault, audit),
        returned_letters=ReturnedLetters(clock, codes, audit),
        code_changes=CodeChanges(clock, random, audit),
        list_exports=ListExports(clock, random, vault, audit, locks),
        saved_views=SavedViews(clock, random),
        operators=operators,
        factor_resets=FactorResets(settings, clock, random, texts, accounts, operators, outbox, notices, audit),
        operator_sessions=OperatorSessions(clock, random, operators),
        recovery_letters=recovery_letters,
        recovery_prints=RecoveryPrints(clock, random, vault, letters, recovery_letters, codes, audit),
    )


def attach(app: Flask, services: Services) -> None:
    """Give the application its database and its services."""
    url = _located(make_url(services.settings.database_url))
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    # An error of the database repeats no value, and nobody waits long for a connection.
    options: dict[str, Any] = {"hide_parameters": True, "pool_timeout": 5, "pool_size": POOL, "max_overflow": POOL}
    prepare = _prepare_sqlite
    if url.get_backend_name() == "postgresql":
        from idp.models import postgresql  # its driver is not everywhere

        prepare, options["connect_args"] = postgresql.prepare_postgresql, postgresql.arguments(url)
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
    units.install(app)
    db.init_app(app)
    with app.app_context():
        prepare(db.engine)
        units.prepare(app)
        watch_statements(db.engine, services.settings.slow_query_ms, services.spans)
        if services.settings.metrics_folder is not None:
            watch_connections(db.engine, services.metrics, 2 * POOL)
    app.extensions["connect"] = services


def _prepare_sqlite(engine: Engine) -> None:
    prepare_sqlite(engine)
    disk.prepare_sqlite(engine)


def _located(url: URL) -> URL:
    """A relative SQLite file counts from where the process was started; Flask-SQLAlchemy would have each application
    look in a folder of its own, and so the command line and the web would write to two databases."""
    if url.get_backend_name() == "sqlite" and url.database:
        return url.set(database=str(Path(url.database).absolute()))
    return url


def bare_app(services: Services) -> Flask:
    """An application without routes: the context the command line and the worker run in."""
    app = InContext("connect")
    attach(app, services)
    return app
