"""Every screen of registration and sign-in in every state it can be in, as a walk that stops at each of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from idp.models.base import db
from tests.browser.walk import PASSWORD, Walk, international
from tests.browser.world import World
from tests.support.relying_party import RelyingParty

EMAIL, MOBILE = "helene@example.ch", "079 123 45 67"


def entrance(walk: Walk, world: World) -> Iterator[str]:
    walk.open("/")
    yield "P1"
    walk.open("/?portal=nix")
    yield "P1, unknown portal"
    walk.open("/?q=zzz")
    yield "P1, nothing found"
    for name in ("help", "terms", "privacy", "accessibility"):
        walk.open(f"/{name}?portal=cpx")
        yield name


def code_of_the_letter(walk: Walk, world: World) -> Iterator[str]:
    first, second = world.portals[:2]
    walk.open("/cpx/login")
    walk.press(walk.text("l.register"))
    yield "R1"
    walk.press()
    yield "R1, empty"
    good, other = world.letter(), world.letter(second)
    for name, typed in {
        "too short": good.code[:5],
        "mistyped": good.code[:5] + ("0" if good.code[5] != "0" else "1") + good.code[6:],
        "unknown": other.code,
    }.items():
        walk.fill("code", typed)
        walk.press()
        yield f"R1, {name}"
    for name, values in {
        "expired": {"expires_at": world.clock.now() - timedelta(days=1)},
        "used": {"redeemed_at": world.clock.now()},
    }.items():
        letter = world.letter()
        world.change_code(letter, **values)
        walk.fill("code", letter.code)
        walk.press()
        yield f"R1, {name}"
    walk.open("/fon/register/code")
    for _ in range(6):
        walk.fill("code", good.code)
        walk.press()
    yield "R1, too many attempts"
    walk.open(f"/cpx/r#{good.code}")
    assert first.slug in walk.page.url
    yield "R1, filled in from the letter's QR"


def email(walk: Walk, world: World) -> Iterator[str]:
    """Ends at R4 of a person whose name the fund does not know."""
    walk.open("/cpx/register/code")
    walk.enter_code(world.letter(given_name="", family_name=""))
    yield "R2"
    for name, typed in {"empty": "", "no address": "helene@", "mistyped domain": "helene@gmial.com"}.items():
        walk.fill("email", typed)
        walk.press()
        yield f"R2, {name}"
    walk.fill("email", EMAIL)
    walk.press()
    yield "R3"
    for name, typed in {"empty": "", "too short": "123", "wrong": "000000"}.items():
        walk.fill("otp", typed)
        walk.press()
        yield f"R3, {name}"
    walk.press(walk.text("r3.resend"))
    yield "R3, asked too soon"
    world.later(seconds=31)
    walk.press(walk.text("r3.resend"))
    yield "R3, sent again"
    world.later(minutes=31)
    walk.fill("otp", world.code("mail", EMAIL, 0))
    walk.press()
    yield "R3, expired"
    world.fail_messages()
    walk.page.reload()
    yield "R3, undelivered"
    walk.fill("otp", world.code("mail", EMAIL, 0))
    walk.press()
    yield "R4"
    walk.press(walk.text("c.back"))
    yield "R2, confirmed"


def details(walk: Walk, world: World) -> Iterator[str]:
    """From R1 to R7, with everything one may do wrong on R4 to R6; ends signed in."""
    letter = world.letter()
    walk.open("/cpx/register/code")
    walk.enter_code(letter)
    walk.enter_email(EMAIL)
    walk.press()
    yield "R4, empty"
    walk.choose("factor", "sms")
    walk.fill("birth_date", "1958")
    walk.fill("password", "passwort")
    walk.fill("mobile", "031 123 45 67")
    walk.press()
    yield "R4, too little"
    walk.fill("birth_date", "28.3.1958")
    walk.fill("password", "passwort1234")
    walk.fill("mobile", "+1 212 555 0100")
    walk.press()
    yield "R4, common, foreign and not the record's"
    walk.enter_details(letter, "app")
    yield "R6"
    walk.page.locator("summary").click()
    yield "R6, key as text"
    app = walk.scan()
    walk.fill("otp", world.app_code(app, -240))
    walk.press()
    yield "R6, clock of the phone"
    walk.fill("otp", "000000")
    walk.press()
    yield "R6, wrong"
    walk.press(walk.text("r6.switch"))
    assert walk.page.locator("[name=mobile]").is_visible()
    yield "R4, from R6 for an SMS"
    walk.fill("mobile", MOBILE)
    walk.press()
    yield "R5"
    walk.press()
    yield "R5, empty"
    world.later(seconds=31)
    walk.press(walk.text("r5.resend"))
    yield "R5, sent again"
    world.fail_messages()
    walk.page.reload()
    yield "R5, undelivered"
    walk.fill("otp", world.code("sms", international(MOBILE), 0))
    walk.press()
    yield "R7"


def account(walk: Walk, world: World) -> Iterator[str]:
    """The signed-in person's pages, a second letter, and the way out."""
    walk.open("/account")
    yield "account"
    yield from passkeys(walk, world)
    yield from methods(walk, world)
    walk.open("/account")
    walk.press(walk.page.locator(".todo button").first)
    yield "account, one advice put off"
    walk.open("/account/profile")
    yield "profile"
    walk.open("/account/language")
    yield "language"
    walk.open("/account/portals")
    yield "portals"
    walk.press(walk.text("acc.add"))
    yield "account, add a portal"
    walk.open("/fon/link/code")
    yield "link, code"
    world.later(minutes=16)  # past the wait for codes at that portal
    walk.enter_code(world.letter(world.portals[1]))
    yield "link, birth date"
    walk.fill("birth_date", "1.1.1950")
    walk.press()
    yield "link, another birth date"
    yield from device(walk, world)
    yield from changes(walk, world)
    walk.open("/logout?client_id=client-cpx")
    yield "sign-out"
    walk.press(walk.text("lo.all"))
    yield "signed out"


def passkeys(walk: Walk, world: World) -> Iterator[str]:
    """Passkeys of somebody who signed in a moment ago; what an authenticator adds is in test_passkeys.py."""
    walk.open("/account/security/passkeys")
    yield "passkeys, none"
    walk.press(walk.text("pk.create"))
    yield "passkeys, new"
    answer_with_nonsense(walk)
    yield "passkeys, failed"
    world.add_passkey(EMAIL)
    walk.open("/account/security/passkeys")
    yield "passkeys, one"
    walk.press(walk.page.locator(".portals a"))
    yield "passkeys, its own page"
    walk.fill("name", "")
    walk.press()
    yield "passkeys, without a name"


def methods(walk: Walk, world: World) -> Iterator[str]:
    """An app beside the number, and one method less again."""
    walk.open("/cpx/account/method")
    yield "methods, the last one"
    walk.press(walk.text("acc.app.add"))
    yield "methods, new app"
    walk.press()
    yield "methods, key of the new app"
    walk.fill("otp", world.app_code(walk.scan()))
    walk.press()
    yield "methods, two"
    walk.open("/cpx/account/app")
    yield "methods, another app"
    walk.open("/cpx/account/method")
    yield "methods, one less"
    walk.press()
    yield "methods, nothing chosen"
    walk.choose("factor", "app")
    walk.press()


def answer_with_nonsense(walk: Walk) -> None:
    """What no authenticator answers."""
    with walk.page.expect_navigation():
        walk.page.evaluate(
            "(field => { field.value = 'x'; field.form.submit(); })(document.querySelector('[name=passkey]'))"
        )


def device(walk: Walk, world: World) -> Iterator[str]:
    """A device of the fund's own, and one of a third party, where the person chooses."""
    walk.open("/device")
    yield "device"
    walk.fill("user_code", "WDJB-MJHX")
    walk.press()
    yield "device, mistyped"
    walk.open(f"/device?user_code={world.device(is_third_party=False)}")
    walk.press()
    yield "device, asks"
    walk.press(walk.text("con.allow"))
    yield "device, allowed"
    walk.open(f"/device?user_code={world.device(is_third_party=True)}")
    walk.press()
    yield "device, asks item by item"
    walk.press(walk.text("con.deny"))
    yield "device, refused"


def changes(walk: Walk, world: World) -> Iterator[str]:
    """What owners change in their account."""
    walk.open("/account/security")
    yield "security"
    world.ask_for_letter(EMAIL)
    walk.page.reload()
    yield "security, a letter on its way"
    walk.press(walk.text("acc.pw.change"))
    yield "security, who are you"
    walk.fill("password", "not the password")
    walk.press()
    yield "security, who are you, wrong"
    walk.fill("password", PASSWORD)
    walk.press()
    yield "security, new password"
    walk.open("/cpx/account/codes")
    yield "security, make codes"
    walk.press()
    yield "security, codes"
    walk.open("/cpx/account/mobile")
    yield "security, second factor first"
    walk.press(walk.text("r5.resend"))
    walk.fill("otp", world.code("sms", international(MOBILE), 0))
    walk.press()
    yield "security, new number"
    walk.fill("mobile", "123")
    walk.press()
    yield "security, new number, no number"
    walk.fill("mobile", "079 765 43 21")
    walk.press()
    yield "security, code to the new number"
    walk.open("/cpx/account/email")
    yield "new address"
    walk.fill("email", "helene.mueller@example.ch")
    walk.press()
    yield "new address, code"
    walk.open("/account/sessions")
    yield "sessions"
    yield from trusted(walk, world)
    walk.open("/account/data")
    yield "all data"
    yield from kept(walk, world)


def trusted(walk: Walk, world: World) -> Iterator[str]:
    """A device that its person trusts; ends signed in as before."""
    portal = world.portals[0]
    portal.trusted_devices = True
    db.session.commit()
    account = world.services.accounts.find(EMAIL)
    assert account is not None
    for browser in ("one", "another"):
        world.services.trusted_devices.trust(account.id, browser, "Firefox on Windows")
    db.session.commit()
    walk.open("/account/sessions")
    yield "sessions, trusted devices"
    walk.press(walk.text("acc.trusted.endAll"))
    yield "sessions, no trusted devices"


def kept(walk: Walk, world: World) -> Iterator[str]:
    """A form that came after its session had ended; ends signed in as before."""
    walk.open("/account/security/passkeys")
    walk.press(walk.page.locator(".portals a").first)
    world.later(minutes=31)
    walk.fill("name", "Téléphone de Léa")
    walk.press()
    walk.press(walk.page.locator(".portals a").filter(has_text="Caisse CPX"))
    walk.sign_in(EMAIL)
    walk.fill("otp", world.code("sms", international("079 765 43 21"), 0))
    walk.press()
    yield "a form that was kept"


def sign_in(walk: Walk, world: World) -> Iterator[str]:
    """L1 to L3 and H1 of a person with both methods."""
    world.add_app(EMAIL)
    walk.open("/cpx/login")
    yield "L1"
    walk.press()
    yield "L1, empty"
    portal = world.portals[0]
    walk.open(RelyingParty(world.app, portal.client_id, portal.redirect_uris[0]).request(acr_values="phr"))
    yield "L1, a passkey and nothing else"
    walk.open("/cpx/login")
    walk.fill("email", EMAIL)
    walk.fill("password", "not the password")
    walk.press()
    yield "L1, wrong"
    answer_with_nonsense(walk)
    yield "L1, passkey refused"
    walk.fill("email", "nobody@example.ch")
    for _ in range(6):
        walk.fill("password", "not the password")
        walk.press()
    yield "L1, too many attempts"
    walk.sign_in(EMAIL)
    yield "L2, app"
    walk.fill("otp", "000000")
    walk.press()
    yield "L2, app, wrong"
    walk.press(walk.text("l2.other"))
    yield "L3"
    walk.choose("method", "sms")
    walk.press()
    yield "L2, SMS"
    walk.fill("otp", "12")
    walk.press()
    yield "L2, SMS, too short"
    walk.press(walk.text("l2.lost"))
    yield "H1"
    walk.press(walk.text("rec.code"))
    yield "recovery code"
    walk.fill("recovery_code", "K7M4-9PQX-2TDH-5WRC")
    walk.press()
    yield "recovery code, wrong"
    walk.fill("recovery_code", world.recovery_code(EMAIL))
    walk.press()
    yield "new method after a recovery code"
    walk.choose("factor", "app")
    walk.press()
    yield "new app after a recovery code"


def recovery_letter(walk: Walk, world: World) -> Iterator[str]:
    """H1, H2 and the code of the letter; a locked method; ends on the page of a cancelled letter."""
    world.later(hours=25)  # past the letter of the account
    world.printed_letter()
    walk.open("/cpx/login")
    walk.sign_in(EMAIL)
    walk.press(walk.text("l2.lost"))
    yield "H1, with a letter and recovery codes"
    walk.press(walk.text("rec.letter"))
    yield "H2, another letter"
    walk.press(walk.text("lt.again"))
    yield "H2, asked"
    walk.press(walk.text("lt.code"))
    yield "letter code"
    code = world.printed_letter()
    walk.press()
    yield "letter code, empty"
    walk.fill("letter_code", world.letter().code)
    walk.press()
    yield "letter code, of another purpose"
    walk.fill("letter_code", code)
    walk.press()
    yield "new method after a letter"
    walk.press(walk.text("c.back"))
    yield "L3, after a letter"
    walk.press(walk.text("l2.lost"))
    walk.press(walk.text("rec.letter"))
    yield "H2, too soon for another"
    world.lock(EMAIL, "app")
    walk.open("/cpx/login")
    walk.sign_in(EMAIL)
    yield "L3, one method locked"
    world.later(hours=25)
    world.ask_for_letter(EMAIL)
    walk.open(world.link_of_mail())
    yield "cancel the letter"
    walk.press()
    yield "the letter is cancelled"
    world.agree_on_reset(EMAIL)
    link = world.link_of_mail()
    world.later(hours=24)
    walk.open("/cpx/login")
    walk.sign_in(EMAIL)
    yield "L3, the desk agreed on a new method"
    walk.open(link)
    yield "stop the reset"
    walk.press()
    yield "the reset is stopped"


def forgotten_password(walk: Walk, world: World) -> Iterator[str]:
    """W1 to W4, by app; ends signed in."""
    app = world.add_app(EMAIL)
    walk.open("/cpx/login")
    walk.press(walk.text("l.forgot"))
    yield "W1"
    walk.press()
    yield "W1, empty"
    walk.fill("email", EMAIL)
    walk.press()
    yield "W2"
    walk.fill("otp", "000000")
    walk.press()
    yield "W2, wrong"
    walk.fill("otp", world.code("mail", EMAIL, 0))
    walk.press()
    yield "W3"
    walk.fill("otp", world.app_code(app))
    walk.press()
    yield "W4"
    walk.fill("password", "passwort")
    walk.press()
    yield "W4, too short"
    walk.fill("password", "neun kamele am waldrand")
    walk.press()
    yield "W4, done"


def closing(walk: Walk, world: World) -> Iterator[str]:
    """The end of the account, by app."""
    app = world.add_app(EMAIL)
    walk.open("/cpx/account/close")
    yield "closing, who are you"
    walk.fill("password", "neun kamele am waldrand")
    walk.press()
    yield "closing, second factor"
    walk.fill("otp", world.app_code(app))
    walk.press()
    yield "closing"
    walk.press()
    yield "closing, not ticked"
    walk.choose("agree", "yes")
    walk.press()
    yield "closed"


EVERY_STATE = (
    entrance, code_of_the_letter, email, details, account, sign_in, recovery_letter, forgotten_password,
    closing,
)  # fmt: skip
