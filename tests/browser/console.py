"""Every screen of the console in every state: an operator is invited, comes in, and looks at everything."""

from __future__ import annotations

from collections.abc import Iterator

import pyotp
from sqlalchemy import select

from idp.admin.portal_forms import SECTIONS
from idp.models.base import db
from idp.models.letter_batch import LetterBatch
from idp.services.code_changer import CodeChanger
from idp.services.import_worker import ImportWorker
from idp.texts import LANGUAGES
from tests.actions import PASSWORD
from tests.browser.exports import exports, saved_views
from tests.browser.walk import Walk
from tests.browser.world import World
from tests.support import persons_file
from tests.support.batches import APPROVER, letters_of, press
from tests.support.builders import add_person
from tests.support.letters import ask
from tests.support.operators import add_operator
from tests.support.walks import add_account

EMAIL = "olga@fund.example.ch"
SCRIPT = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
LOGO = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 4"><rect width="8" height="4" fill="#a00"/></svg>'
NOTICE = "28.3.2026, 02:00–04:00"
NEW = {
    "slug": "caisse-y", "short_name": "Caisse Y", "phone": "058 123 45 67", "email": "aide@caisse-y.example.ch",
    "home_url": "https://caisse-y.example.ch/", "redirect_uris": "https://caisse-y.example.ch/callback",
}  # fmt: skip


def console_states(walk: Walk, world: World) -> Iterator[str]:
    yield from invitation(walk, world)
    yield from operators(walk, world)
    yield from portals(walk)
    yield from messages(walk, world)
    yield from keys(walk)
    yield from api_clients(walk)
    yield from persons(walk, world)
    yield from imports(walk, world)
    yield from letters(walk, world)
    yield from recovery_letters(walk, world)
    yield from codes(walk, world)
    yield from exports(walk, world)
    yield from saved_views(walk, world)
    yield from webhooks(walk, world)
    yield from settings(walk)
    yield from audit(walk)
    yield from door(walk, world)


def invitation(walk: Walk, world: World) -> Iterator[str]:
    secret, _ = world.services.operators.invite(EMAIL, ["superuser"], None)
    db.session.commit()
    walk.open("/admin/invitation")
    yield "invitation"
    walk.press()
    yield "invitation, empty"
    walk.open(f"/admin/invitation#{secret}")
    yield "invitation, filled in by the link"
    walk.press()
    yield "invitation, who are you"
    walk.press()
    yield "invitation, wrong"
    seed = walk.page.locator("[data-copy]").first.get_attribute("data-copy") or ""
    walk.fill("given_name", "Olga")
    walk.fill("family_name", "Meier")
    walk.fill("password", PASSWORD)
    walk.fill("otp", world.app_code(pyotp.TOTP(seed)))
    walk.press()
    yield "console"


def operators(walk: Walk, world: World) -> Iterator[str]:
    peter = add_operator(world.services, "peter@fund.example.ch", ["support@cpx", "reader"])
    world.services.operators.pause(peter)
    db.session.commit()
    walk.open("/admin/operators/invite")
    yield "invite"
    walk.press(walk.text("adm.invite.send"))
    yield "invite, empty"
    walk.fill("email", "claire@fund.example.ch")
    walk.page.locator("[name=role]").select_option("reader")
    walk.press(walk.text("adm.invite.send"))
    yield "operators, invited"
    walk.open(f"/admin/operators/{peter}")
    yield "operator, paused"
    walk.press(walk.text("adm.role.add"))
    yield "operator, no role chosen"
    walk.press(walk.text("adm.resume"))
    yield "operators, resumed"


def messages(walk: Walk, world: World) -> Iterator[str]:
    walk.open("/admin/messages")
    yield "messages"
    walk.press(walk.text("msg.retry"))
    yield "messages, tried"
    world.fail_messages()
    walk.open("/admin/messages?state=dead")
    yield "messages, given up"
    walk.open("/admin/messages?state=sent")
    yield "messages, none"
    walk.open("/admin/messages/texts")
    yield "messages, what they say"


def keys(walk: Walk) -> Iterator[str]:
    walk.open("/admin/keys")
    yield "keys"
    walk.press(walk.text("key.rotate"))
    yield "keys, what a rotation does"
    walk.press()
    yield "keys, rotated"
    walk.press(walk.text("key.plan"))
    yield "keys, the calendar"
    walk.fill("day", "1.1.2020")
    walk.press()
    yield "keys, a day that is over"
    walk.fill("day", "1.5.2026")
    walk.press()
    assert walk.says("key.planned")


def api_clients(walk: Walk) -> Iterator[str]:
    walk.open("/admin/api-clients")
    yield "systems, none"
    walk.open("/admin/api-clients/new")
    yield "new system"
    walk.press()
    yield "new system, wrong"
    walk.fill("name", "Pension system")
    walk.page.locator("[type=checkbox]").first.check()
    walk.press()
    yield "new system, its secret"
    walk.page.locator(".actions a").first.click()
    yield "system"
    walk.press(walk.text("por.secret.renew"))
    yield "system, new secret"
    walk.page.locator(".actions a").first.click()
    yield "system, two secrets"
    walk.open("/admin/api-clients")
    yield "systems"
    walk.page.locator("th a").first.click()
    walk.page.locator(".actions a").first.click()
    yield "system, end its access"
    walk.press()
    yield "systems, one ended"


def portals(walk: Walk) -> Iterator[str]:
    walk.open("/admin/portals")
    yield "portals"
    walk.open("/admin/new-portal")
    yield "new portal"
    walk.fill("names_fr", "Caisse Y")
    walk.press()
    yield "new portal, wrong"
    for name, value in NEW.items():
        walk.page.locator(f"[name={name}]").fill(value)
    walk.press()
    yield "new portal, its secret"
    walk.open("/admin/portals/caisse-y")
    yield "portal"
    for section in SECTIONS:
        walk.open(f"/admin/portals/caisse-y/{section.name}")
        yield f"portal, {section.name}"
    walk.choose("consent", "yes")
    walk.fill("sector_identifier", "no host")
    walk.press()
    yield "portal, trust, wrong"
    walk.open("/admin/portals/caisse-y/client")
    walk.page.locator("[name=jwks]").fill("no document")
    walk.page.locator("[name=security_profile]").select_option("fapi2")
    for at in range(5):
        walk.page.locator("[type=checkbox]").nth(at).uncheck()
    walk.press()
    yield "portal, client, wrong"
    yield from brand(walk)
    walk.open(f"/admin/portals/caisse-y/texts-{walk.language}")
    yield "portal, texts"
    walk.page.locator("[name=m_code_body]").fill("No code, www.example.ch")
    walk.press(walk.text("por.brand.preview"))
    yield "portal, texts, wrong"
    walk.page.locator("[name=m_code_body]").fill("{{7*7}} {code} {portal} {time}\n\n**{code}**")
    walk.press(walk.text("por.brand.preview"))
    yield "portal, texts, preview"
    walk.press(walk.text("c.save"))
    yield "portal, texts, saved"
    walk.open("/admin/portals/caisse-y/secrets")
    yield "portal, secrets"
    walk.press(walk.text("por.secret.renew"))
    yield "portal, new secret"
    walk.open("/admin/portals/caisse-y/secrets")
    yield "portal, two secrets"
    walk.press(walk.text("por.secret.end"))
    yield "portal, end a secret"
    walk.press()
    yield "portal, one secret"
    walk.open("/admin/portals/caisse-y/checks")
    yield "portal, checks"
    walk.press(walk.text("por.checks.now"))
    yield "portal, checks, found"
    walk.press(walk.text("por.selftest.make"))
    yield "portal, self-test"
    walk.open("/admin/portals/caisse-y/disable")
    yield "portal, disable"
    walk.press()
    yield "portal, disabled"
    walk.open("/admin/portals/caisse-y/checks")
    yield "portal, checks, disabled"
    walk.open("/admin/invite-portal")
    yield "invite a developer"
    walk.fill("valid_days", "0")
    walk.press()
    yield "invite a developer, wrong"
    for name, value in {**NEW, "slug": "caisse-z", "names_fr": "Caisse Z", "valid_days": "7"}.items():
        if name != "redirect_uris":
            walk.page.locator(f"[name={name}]").fill(value)
    walk.press()
    yield "developer, invited"
    walk.open("/admin/portals/caisse-y/enable")
    yield "portal, enable"
    walk.press()
    yield "portal, enabled"


def brand(walk: Walk) -> Iterator[str]:
    walk.open("/admin/portals/caisse-y/brand")
    yield "portal, brand"
    walk.fill("brand_color", "#FFCC00")
    walk.press(walk.text("por.brand.preview"))
    yield "portal, brand, preview of a pale colour"
    script = {"name": "logo.svg", "mimeType": "image/svg+xml", "buffer": SCRIPT}
    walk.page.locator("[type=file]").set_input_files(script)  # type: ignore[arg-type]
    walk.press(walk.text("c.save"))
    yield "portal, brand, wrong"
    walk.choose("pale", "yes")
    walk.page.locator("[type=file]").set_input_files({**script, "buffer": LOGO})  # type: ignore[arg-type]
    walk.press(walk.text("c.save"))
    yield "portal, brand, saved"
    walk.open("/admin/portals/caisse-y/brand")
    yield "portal, brand with a logo"


def persons(walk: Walk, world: World) -> Iterator[str]:
    walk.open("/admin/persons")
    yield "persons"
    walk.fill("q", "x")
    walk.press(walk.text("per.search.do"))
    yield "persons, too short"
    walk.fill("q", "Quarzenegger")
    walk.press(walk.text("per.search.do"))
    yield "persons, nobody"
    world.letter()
    walk.open("/admin/persons?sort=name&language=fr")
    yield "persons, by name, with a filter"
    walk.press(walk.page.locator(".chips a"))
    walk.press(walk.page.locator("th[aria-sort] a"))
    assert walk.page.locator("th[aria-sort=descending]").inner_text().startswith(walk.text("adm.name"))
    walk.open("/admin/persons")
    yield "persons, one"
    walk.press(walk.page.locator("tbody a").first)
    yield "person"
    walk.press(walk.text("per.reveal"))
    yield "person, no reason"
    walk.choose("birth", "yes")
    walk.page.locator("[name=reason]").select_option("call")
    walk.press(walk.text("per.reveal"))
    yield "person, revealed"
    walk.open(f"/admin/persons/{walk.page.url.split('/')[5].split('?')[0]}/call")
    yield "call"
    walk.press(walk.text("call.note.add"))
    yield "call, empty note"
    walk.page.locator("[name=note]").fill("Calls again on Monday.")
    walk.press(walk.text("call.note.add"))
    yield "call, note written"
    walk.press(walk.text("c.back"))
    walk.press(walk.text("per.do.unlock"))
    yield "person, nothing to unlock"
    walk.press(walk.text("c.back"))
    walk.press(walk.text("per.do.letter"))
    yield "person, new letter"
    walk.press()
    yield "person, letter ordered"
    yield from reset(walk, world)


def reset(walk: Walk, world: World) -> Iterator[str]:
    """One who is registered: asked for in this browser, approved by a colleague, stopped here."""
    account = add_account(world.services, world.portals[0], "ruth@example.ch", number="+41797654321")
    record = world.services.accounts.records_of(account.id)[0]
    colleague = add_operator(world.services, "rita@fund.example.ch", ["support@cpx"])
    walk.open("/admin/resets")
    yield "resets, none"
    walk.open(f"/admin/persons/{record.id}/reset")
    yield "reset"
    walk.press(walk.text("res.ask"))
    yield "reset, nothing said"
    for name in ("name", "birth", "number", "more"):
        walk.choose(name, "yes")
    walk.page.locator("[name=reason]").select_option("lost")
    walk.press(walk.text("res.ask"))
    yield "reset, asked"
    walk.open("/admin/resets")
    yield "resets, one"
    waiting = world.services.factor_resets.of(record)
    assert waiting is not None
    assert world.services.factor_resets.approve(waiting, colleague)
    db.session.commit()
    walk.open(f"/admin/persons/{record.id}/reset")
    yield "reset, approved"
    walk.press(walk.text("res.halt"))
    yield "reset, stopped"


def choose_file(walk: Walk, content: bytes) -> None:
    """What a person does in the window of their system."""
    chosen = {"name": "persons.csv", "mimeType": "text/csv", "buffer": content}
    walk.page.locator("[type=file]").set_input_files(chosen)  # type: ignore[arg-type]


def imports(walk: Walk, world: World) -> Iterator[str]:
    worker = ImportWorker(world.app)
    walk.open("/admin/imports")
    yield "imports, none"
    walk.press(walk.text("imp.new"))
    yield "import, new"
    walk.press()
    yield "import, nothing chosen"
    walk.page.locator("[name=portal]").select_option("cpx")
    choose_file(walk, persons_file.file(*(persons_file.row(f"N-{at}") for at in range(3)), persons_file.row("")))
    walk.press()
    yield "import, columns"
    walk.page.locator("[name=c0]").select_option("")
    walk.press()
    yield "import, columns, wrong"
    walk.page.locator("[name=c0]").select_option("external_id")
    walk.press()
    yield "import, being checked"
    worker.run_once()
    walk.press(walk.text("imp.refresh"))
    yield "import, checked"
    left = walk.page.locator("main a[href$=left]")
    walk.press(left)
    yield "import, not in the file"
    walk.press(walk.text("c.back"))
    walk.press(walk.text("imp.start"))
    yield "import, start"
    walk.press()
    yield "import, start, wrong"
    walk.choose("good_only", "yes")
    walk.press()
    yield "import, running"
    walk.press(walk.text("imp.pause"))
    yield "import, paused"
    walk.press(walk.text("imp.cancel"))
    yield "import, cancel"
    walk.press(walk.text("c.back"))
    walk.press(walk.text("imp.resume"))
    worker.run_once()
    walk.press(walk.text("imp.refresh"))
    yield "import, done"
    walk.press(walk.page.locator("main a[href$=undo]"))
    yield "import, undo"
    walk.press()
    worker.run_once()
    walk.press(walk.text("imp.refresh"))
    yield "import, undone"
    walk.open("/admin/imports")
    yield "imports"
    walk.open("/admin/portals/cpx/feed")
    yield "feed, no key"
    walk.press()
    yield "feed, new key"
    walk.press(walk.text("c.continue"))
    yield "feed, a key"
    walk.press(walk.text("imp.token.end"))
    yield "feed, end a key"


def letters(walk: Walk, world: World) -> Iterator[str]:
    walk.open("/admin/letters")
    yield "letters, none"
    walk.press(walk.text("bat.new"))
    yield "letters, new"
    walk.press()
    yield "letters, new, wrong"
    walk.page.locator("[name=portal]").select_option(world.portals[0].slug)
    walk.page.locator("[name=kind]").select_option("reminder")
    walk.press()
    for at in range(3):
        add_person(world.portals[0], f"B-{at}")
    walk.page.locator("[name=kind]").select_option("never")
    walk.press()
    yield "letters, counted"
    walk.press()
    yield "batch, draft"
    batch = db.session.scalars(select(LetterBatch)).one()
    walk.open(f"/admin/letters/{batch.id}/approve")
    yield "batch, not by whoever made it"
    together = f"/admin/letters/at/{world.portals[0].slug}"
    walk.open(f"{together}/approve")
    walk.press()
    yield "batches at once, none chosen"
    walk.open(f"/admin/letters/{batch.id}/preview")
    walk.page.locator("figure img").evaluate("picture => picture.decode()")
    yield "batch, preview"
    assert world.services.letter_batches.approve(batch, APPROVER)
    db.session.commit()
    walk.open(f"/admin/letters/{batch.id}")
    yield "batch, approved"
    press(world.app)
    walk.open(f"/admin/letters/{batch.id}")
    yield "batch, to be printed"
    walk.open(f"{together}/print")
    yield "batches at once"
    walk.open(f"/admin/letters/{batch.id}")
    walk.press(walk.text("bat.do.print"))
    world.services.registration_codes.issue(letters_of(batch)[0].person, world.portals[0])
    db.session.commit()
    walk.press()
    yield "batch, codes become valid"
    press(world.app)
    walk.open(f"/admin/letters/{batch.id}")
    yield "batch, printed, one to be taken out"
    walk.press(walk.text("bat.do.post"))
    walk.fill("day", "1.1.1999")
    walk.press()
    yield "batch, posting, wrong day"
    walk.open(f"/admin/letters/{batch.id}/post")
    walk.press()
    yield "batch, posted"
    walk.press(walk.text("bat.do.returned"))
    walk.press()
    yield "returned, wrong"
    walk.page.locator("[name=letters]").fill("0002 XXXX-XXXX")
    walk.page.locator("[name=reason]").select_option("moved")
    walk.press()
    yield "returned, counted"
    walk.press()
    yield "returned, done"
    walk.open("/admin/letters?state=posted")
    yield "letters"


def recovery_letters(walk: Walk, world: World) -> Iterator[str]:
    portal = world.portals[0]
    walk.open("/admin/letters/recovery")
    yield "recovery letters, none"
    ask(world.services, add_account(world.services, portal, "letter@example.ch", number="+41791112233"), portal)
    walk.open("/admin/letters/recovery")
    yield "recovery letters"
    walk.press(walk.text("rlt.waiting", n=1, portal=portal.name(walk.language)))
    yield "recovery letters, to be set"
    walk.press()
    yield "pile, set"
    walk.press(walk.text("rlt.do.print"))
    yield "pile, confirm"
    walk.press()
    yield "pile, printed"
    walk.open("/admin/letters/recovery")
    walk.press(walk.text("rlt.cancel"))
    yield "recovery letter, cancel"
    walk.press()
    yield "recovery letters, cancelled"


def webhooks(walk: Walk, world: World) -> Iterator[str]:
    walk.open("/admin/webhooks")
    yield "webhooks, none"
    walk.press(walk.text("hook.new"))
    yield "webhook, new"
    walk.press()
    yield "webhook, new, wrong"
    walk.page.locator("[name=portal]").select_option(world.portals[0].slug)
    walk.fill("url", "https://fund.example.ch/systems/insured-persons/hooks")
    for box in walk.page.locator("[type=checkbox]").all():
        box.check()
    walk.press()
    yield "webhook, its secret"
    walk.press(walk.text("c.continue"))
    yield "webhook, nothing sent"
    walk.press(walk.text("hook.test"))
    yield "webhook, a test sent"
    walk.press(walk.text("hook.disable"))
    yield "webhook, switch off"
    walk.press()
    yield "webhook, switched off"
    walk.open("/admin/webhooks")
    yield "webhooks"


def codes(walk: Walk, world: World) -> Iterator[str]:
    walk.open(f"/admin/codes?state=issued&portal={world.portals[0].slug}")
    yield "codes"
    walk.press(walk.page.locator("tbody a").first)
    yield "code"
    walk.press(walk.text("cod.do.extend"))
    yield "code, extend"
    walk.press()
    yield "code, extended"
    walk.press(walk.text("cod.do.void"))
    walk.press()
    walk.open(f"/admin/codes/all-void?state=issued&portal={world.portals[0].slug}")
    yield "codes, void all"
    walk.press()
    yield "codes, being voided"
    while CodeChanger(world.app).run_once():
        pass
    walk.open(walk.page.url)
    yield "codes, all voided"


def settings(walk: Walk) -> Iterator[str]:
    walk.open("/admin/settings")
    yield "settings"
    walk.press(walk.text("set.change", group=walk.text("set.g.sessions")))
    yield "sessions"
    walk.fill("session_idle_for", "2000")
    walk.press()
    yield "sessions, wrong"
    walk.fill("session_idle_for", "20")
    walk.press()
    yield "sessions, what changes"
    walk.press()
    yield "settings, changed"
    walk.open("/admin/settings/sessions")
    yield "sessions, chosen"
    walk.open("/admin/settings/sms")
    yield "settings of SMS"
    walk.open("/admin/settings/notice")
    yield "notice"
    walk.press()
    yield "notice, empty"
    walk.fill("begins_at", "27.3.2026, 12:00")
    walk.fill("ends_at", "28.3.2026, 12:00")
    for code in LANGUAGES:
        walk.page.locator(f"[name={code}]").fill(f"{code}: {NOTICE}")
    walk.press()
    yield "notice, as persons see it"
    walk.press()
    walk.open("/admin/settings/notice")
    yield "notice, announced"
    walk.open("/")
    assert NOTICE in walk.body
    walk.open("/admin/settings/notice")
    walk.press(walk.text("mnt.withdraw"))
    assert walk.says("mnt.withdrawn")


def audit(walk: Walk) -> Iterator[str]:
    walk.open("/admin/audit")
    yield "audit"
    walk.open("/admin/audit?from=yesterday")
    yield "audit, wrong day"
    walk.open("/admin/audit?to=1999-01-01")
    yield "audit, nothing"


def door(walk: Walk, world: World) -> Iterator[str]:
    olga = world.services.accounts.find(EMAIL)
    assert olga is not None
    world.services.operators.change_roles(olga.id, ["support@cpx"], None)
    db.session.commit()
    walk.open("/admin/operators")
    yield "refused"
    walk.page.get_by_role("button", name=walk.text("adm.logout"), exact=True).click()
    yield "console, door"
    walk.fill("email", EMAIL)
    walk.press()
    yield "console, door, wrong"
