"""ux.md §9.1, security.md 6.4.6, F-36: no page of the console holds a code, a seed, a password or a hash of one."""

from __future__ import annotations

import html
import re

import pytest
from flask import Flask
from sqlalchemy import select

from idp.models.account import Password, RecoveryCode, TOTPSecret
from idp.models.base import db
from idp.models.person import InsuredPerson, RegistrationCode
from idp.models.portal import Portal
from idp.models.session import Session
from idp.services.bundle import Services
from idp.services.message_samples import CODE as SAMPLE
from idp.services.registration_codes import show
from tests.actions import PASSWORD, letter, register
from tests.support.operators import SEED, add_operator, sign_in
from tests.support.person import ISSUER, Person, newest_code

SHAPES = (
    r"\b[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}\b",  # of a letter, or a recovery code
    r"(?<![\w.-])\d{6}(?![\w.-])",  # of a mail, an SMS, an app
    r"\b[A-Z2-7]{32}\b",  # a seed
    r"\$argon2|\bcc_[a-z]{2}_\w{20}",
)


def words(page: str) -> str:
    """What a reader sees, and every value of a form but its token."""
    bare = re.sub(
        r'<input type="hidden" name="(csrf_token|nonce|kept)"[^>]*>|href="[^"]*"|src="[^"]*"|<meta[^>]*>', "", page
    )
    return html.unescape(bare)


def secrets(services: Services) -> set[str]:
    """Everything of that kind that is in the database, and what it was made of."""
    known = {PASSWORD, SEED, newest_code("mail"), newest_code("sms")}
    known |= set(db.session.scalars(select(Password.hash))) | set(db.session.scalars(select(TOTPSecret.sealed_seed)))
    known |= set(db.session.scalars(select(RegistrationCode.code_hash)))
    known |= set(db.session.scalars(select(RecoveryCode.code_hash)))
    known |= set(db.session.scalars(select(Session.secret_hash))) | set(
        db.session.scalars(select(Session.browser_hash))
    )
    return known


@pytest.mark.parametrize("role", ["support", "superuser"])
def test_no_answer_of_the_console_holds_a_secret(web: Flask, services: Services, portal: Portal, role: str) -> None:
    caller = register(web, services, portal)
    code = letter(services, portal, "P-2")
    other = Person(web)
    other.open("/cpx/register/code")
    other.submit(code=code)
    other.submit(email="zoe@example.ch")
    account = services.accounts.find("helene@example.ch")
    assert account is not None
    services.totp.enrol(account.id, SEED, 0)
    services.recovery_codes.renew(services.sessions.live(account)[0])
    db.session.commit()
    assert caller
    add_operator(services, "olga@fund.example.ch", [role])
    olga = sign_in(web, services, "olga@fund.example.ch")
    known, pages = secrets(services) | {code, show(code)}, list[tuple[str, str]]()
    fields = olga.filled()[1]
    ids = [str(one) for one in db.session.scalars(select(InsuredPerson.id))]
    # Reading first, then every deed: what a deed leaves behind is looked at again.
    for method in ("GET", "POST", "GET"):
        for rule in web.url_map.iter_rules():
            if not rule.rule.startswith("/admin") or method not in (rule.methods or ()) or "logout" in rule.rule:
                continue
            for ident in ids if "person_id" in rule.arguments else [str(account.id)]:
                address = re.sub(r"<uuid:\w+>", ident, rule.rule)
                given = {**fields, "reason": "call", "q": "muller", "name": "yes"} if method == "POST" else None
                answer = olga.client.open(
                    address, method=method, data=given, base_url=ISSUER, headers={"Origin": ISSUER},
                    follow_redirects=True,
                )  # fmt: skip
                pages.append((f"{method} {address}", answer.get_data(as_text=True)))
    assert sum("Hélène" in page for _, page in pages) >= 2, "what was revealed is among what was looked at"
    for where, page in pages:
        assert not [one for one in known if one in page], where
        for shape in SHAPES:
            found = re.search(shape, words(page).replace(SAMPLE, ""))  # what the previews of messages say for a code
            assert not found, (where, shape)
