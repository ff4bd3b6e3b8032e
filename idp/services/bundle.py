"""Everything a request may ask for, in one frozen bundle; built by idp/services/assembly.py."""

from __future__ import annotations

from dataclasses import dataclass

from idp.chance import Random
from idp.clock import Clock
from idp.models.context import APPLICATION, of_context
from idp.services.access_tokens import AccessTokens
from idp.services.accounts import Accounts
from idp.services.api_clients import ApiClients
from idp.services.api_replies import ApiReplies
from idp.services.attempts import Attempts
from idp.services.audit import Audit
from idp.services.calls import Calls
from idp.services.challenges import Challenges
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
from idp.services.mail import MailSender
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
from idp.services.sms import SMSSender
from idp.services.spans import Spans
from idp.services.throttle import Throttle
from idp.services.tokens import Tokens
from idp.services.totp import TOTP
from idp.services.trusted_devices import TrustedDevices
from idp.services.webhook_events import WebhookEvents
from idp.services.webhooks import Webhooks
from idp.settings import Settings
from idp.texts import Texts
from keys import Vault


@dataclass(frozen=True, repr=False)
class Services:
    settings: Settings
    live: LiveSettings
    setting_changes: SettingChanges
    setting_config: SettingConfig
    maintenance: MaintenanceNotices
    clock: Clock
    random: Random
    vault: Vault
    texts: Texts
    metrics: Metrics
    spans: Spans
    keyring: Keyring
    key_calendar: KeyCalendar
    audit: Audit
    attempts: Attempts
    throttle: Throttle
    mail: MailSender
    sms: SMSSender
    outbox: Outbox
    message_samples: MessageSamples
    notices: Notices
    challenges: Challenges
    passwords: Passwords
    totp: TOTP
    recovery_codes: RecoveryCodes
    passkeys: Passkeys
    trusted_devices: TrustedDevices
    accounts: Accounts
    sessions: Sessions
    kept_forms: KeptForms
    registration_codes: RegistrationCodes
    tokens: Tokens
    access_tokens: AccessTokens
    devices: Devices
    logout_notices: LogoutNotices
    sign_out: SignOut
    closing: Closing
    reminders: Reminders
    self_tests: SelfTests
    reach: Reach
    portals: Portals
    portal_config: PortalConfig
    portal_secrets: PortalSecrets
    api_clients: ApiClients
    api_replies: ApiReplies
    webhook_events: WebhookEvents
    webhooks: Webhooks
    portal_keys: PortalKeys
    invites: Invites
    imports: Imports
    import_jobs: ImportJobs
    persons: Persons
    locks: Locks
    dossiers: Dossiers
    calls: Calls
    desk: Desk
    letters: Letters
    letter_batches: LetterBatches
    returned_letters: ReturnedLetters
    code_changes: CodeChanges
    list_exports: ListExports
    saved_views: SavedViews
    operators: Operators
    factor_resets: FactorResets
    operator_sessions: OperatorSessions
    recovery_letters: RecoveryLetters
    recovery_prints: RecoveryPrints


def services() -> Services:
    """The bundle of the current application."""
    found: Services = of_context()[APPLICATION].extensions["connect"]
    return found
