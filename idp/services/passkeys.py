"""Passkeys (WebAuthn Level 3): what a browser is asked, and the judgement of what its authenticator answers.

A challenge is authenticated by us instead of being stored, so that showing a page writes nothing: it names its end and
is bound to one purpose and one browser; the one that is answered is spent before the answer is judged. A passkey with
user verification is two factors at once (NIST SP 800-63B-4 §2.2.2); no attestation is asked for, so every provider is
welcome.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from cryptography.exceptions import UnsupportedAlgorithm
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    RegistrationCredential,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from idp.chance import Random, new_id
from idp.clock import Clock
from idp.models.account import Account
from idp.models.authorization import AssertionID
from idp.models.base import db, insert_if_absent
from idp.models.passkey import Passkey, find_passkey, passkeys_of, record_use
from idp.settings import Settings
from keys import Vault

CHALLENGE_FOR = timedelta(minutes=5)
DIALOG_MS = 180_000  # the page asks for a new challenge every two minutes, so three are left
NONCE_BYTES, MOMENT_BYTES = 16, 6
LONGEST_ANSWER = 16 * 1024
LONGEST_NAME = 60
RP_NAME = "Connect"
SIGN_IN, CREATE = "sign-in", "create"
# What the library and what it builds upon raise at answers that no authenticator gives.
MALFORMED = (
    WebAuthnException,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RecursionError,
    UnsupportedAlgorithm,
)


@dataclass(frozen=True)
class Rejected:
    """Why, in one word for the record of events; the person is told the same whatever it is."""

    reason: str
    account_id: UUID | None = None


class Passkeys:
    def __init__(self, settings: Settings, clock: Clock, random: Random, vault: Vault) -> None:
        self._origin = settings.issuer
        self._rp_id = urlsplit(settings.issuer).hostname or ""
        self._clock = clock
        self._random = random
        self._vault = vault

    def sign_in_options(self, browser: str) -> str:
        """The JSON of `PublicKeyCredentialRequestOptions`: any passkey of ours that the authenticator can find."""
        return options_to_json(
            generate_authentication_options(
                rp_id=self._rp_id,
                challenge=self._challenge(SIGN_IN, browser),
                timeout=DIALOG_MS,
                user_verification=UserVerificationRequirement.REQUIRED,
            )
        )

    def creation_options(self, account: Account, browser: str) -> str:
        """The JSON of `PublicKeyCredentialCreationOptions`; an authenticator that holds one already makes no second."""
        held = passkeys_of(account.id)
        return options_to_json(
            generate_registration_options(
                rp_id=self._rp_id,
                rp_name=RP_NAME,
                user_id=self._user_handle(account.id, held),
                user_name=account.email,
                user_display_name=account.full_name or account.email,
                challenge=self._challenge(CREATE, browser),
                timeout=DIALOG_MS,
                authenticator_selection=AuthenticatorSelectionCriteria(
                    resident_key=ResidentKeyRequirement.REQUIRED,
                    require_resident_key=True,
                    user_verification=UserVerificationRequirement.REQUIRED,
                ),
                exclude_credentials=[
                    PublicKeyCredentialDescriptor(id=base64url_to_bytes(one.credential_id)) for one in held
                ],
            )
        )

    def create(self, account: Account, browser: str, answer: str, name: str) -> Passkey | Rejected:
        """Keep the passkey that an authenticator made for this account (WebAuthn Level 3 §7.1)."""
        credential = _read(parse_registration_credential_json, answer)
        if credential is None:
            return Rejected("malformed", account.id)
        challenge = self._spend(CREATE, browser, credential)
        if challenge is None:
            return Rejected("challenge", account.id)
        try:
            made = verify_registration_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self._origin,
                require_user_verification=True,
            )
        except MALFORMED:
            return Rejected("forged", account.id)
        now = self._clock.now()
        ident, credential_id = new_id(self._random, now), bytes_to_base64url(made.credential_id)
        is_new = insert_if_absent(
            Passkey,
            id=ident,
            account_id=account.id,
            credential_id=credential_id,
            user_handle=self._user_handle(account.id, passkeys_of(account.id)),
            public_key=made.credential_public_key,
            sign_count=made.sign_count,
            name=name[:LONGEST_NAME],
            aaguid=made.aaguid,
            transports=[transport.value for transport in credential.response.transports or ()],
            backed_up=made.credential_backed_up,
            created_at=now,
            last_used_at=None,
        )
        return db.session.get_one(Passkey, ident) if is_new else Rejected("known", account.id)

    def verify(self, browser: str, answer: str) -> Passkey | Rejected:
        """The passkey that signed, of an account that may sign in (WebAuthn Level 3 §7.2)."""
        credential = _read(parse_authentication_credential_json, answer)
        if credential is None:
            return Rejected("malformed")
        challenge = self._spend(SIGN_IN, browser, credential)
        if challenge is None:
            return Rejected("challenge")
        found = find_passkey(bytes_to_base64url(credential.raw_id))
        if found is None:
            return Rejected("unknown")
        # Step 6: the account that the authenticator means MUST be the one that the key belongs to.
        if not hmac.compare_digest(credential.response.user_handle or b"", found.user_handle):
            return Rejected("owner", found.account_id)
        try:
            signed = verify_authentication_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self._origin,
                credential_public_key=found.public_key,
                credential_current_sign_count=0,  # judged below, in the statement that writes it
                require_user_verification=True,
            )
        except MALFORMED:
            return Rejected("forged", found.account_id)
        account = db.session.get(Account, found.account_id, populate_existing=True)
        if account is None or not account.is_active:
            return Rejected("disabled", found.account_id)
        if not record_use(found.id, signed.new_sign_count, signed.credential_backed_up, self._clock.now()):
            return Rejected("counter", found.account_id)
        return found

    def find(self, account_id: UUID, passkey_id: UUID) -> Passkey | None:
        """This passkey, if it belongs to this account and still does."""
        found = db.session.get(Passkey, passkey_id, populate_existing=True)
        return found if found is not None and found.account_id == account_id else None

    def _user_handle(self, account_id: UUID, held: list[Passkey]) -> bytes:
        """32 bytes that tell nobody which account it is (WebAuthn Level 3 §14.6.1); the same for all its passkeys."""
        derived = self._vault.mac_bytes("passkey-user", account_id.bytes)
        return next((one.user_handle for one in held), derived)

    def _challenge(self, purpose: str, browser: str) -> bytes:
        until = self._clock.now() + CHALLENGE_FOR
        body = int(until.timestamp()).to_bytes(MOMENT_BYTES, "big") + self._random.bytes(NONCE_BYTES)
        return body + self._seal(purpose, browser, body)

    def _seal(self, purpose: str, browser: str, body: bytes) -> bytes:
        return self._vault.mac_bytes("passkey-challenge", f"{purpose}|{browser}|".encode() + body)

    def _spend(
        self, purpose: str, browser: str, credential: AuthenticationCredential | RegistrationCredential
    ) -> bytes | None:
        """The challenge that was answered, if we gave it to this browser a moment ago and it is answered first now.

        Committed at once: an answer that is refused has used its challenge up.
        """
        try:
            client_data = parse_client_data_json(credential.response.client_data_json)
        except MALFORMED:
            return None
        challenge = client_data.challenge
        size = MOMENT_BYTES + NONCE_BYTES
        body, seal = challenge[:size], challenge[size:]
        # A page of ours is never in somebody's frame, so no honest answer comes from one.
        if client_data.cross_origin or not hmac.compare_digest(seal, self._seal(purpose, browser, body)):
            return None
        until = datetime.fromtimestamp(int.from_bytes(body[:MOMENT_BYTES], "big"), UTC)
        if until <= self._clock.now():
            return None
        digest = hashlib.sha256(b"passkey|" + challenge).hexdigest()
        is_first = insert_if_absent(AssertionID, id_hash=digest, expires_at=until)
        db.session.commit()
        return challenge if is_first else None


def _read(parse: Any, answer: str) -> Any:
    """What the browser's `toJSON()` gave, or None."""
    try:
        return parse(answer) if len(answer) <= LONGEST_ANSWER else None
    except MALFORMED:
        return None
