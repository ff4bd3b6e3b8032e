"""The users' guide, sentence by sentence, in four languages, by SMS and by app, into both portals and out again."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Opener
from tests.browser.letters import Letters
from tests.browser.walk import TEXTS, Walk, international
from tests.support.demonstration import Demo

PORTALS = {
    "fr": ("Caisse Démo A", "Fondation Démo B"), "de": ("Kasse Demo A", "Stiftung Demo B"),
    "it": ("Cassa Demo A", "Fondazione Demo B"), "en": ("Demo Fund A", "Demo Trust B"),
}  # fmt: skip
CERTIFICATE, SIGNED_OUT = "My pension certificate", "You are signed out."
MOBILES = {"fr": "079 301 00 01", "de": "079 301 00 02", "it": "079 301 00 03", "en": "079 301 00 04"}


def enter(walk: Walk, portal: str) -> None:
    """Steps 1 to 3 of the guide: the page, the portal, «J'ai un code d'inscription»."""
    walk.open("/")
    assert walk.heading == walk.text("p.title")
    walk.press(walk.page.locator(".portals a").filter(has_text=portal))
    assert walk.heading == walk.text("l.title", portal=portal)
    walk.press(walk.text("l.register"))
    assert walk.heading == walk.text("r1.title")


def arrive(walk: Walk, demo: Demo, at: int) -> None:
    """In the portal, signed in."""
    assert walk.page.url == f"{demo.portals[at]}/"
    assert walk.heading == CERTIFICATE


def leave(walk: Walk, demo: Demo) -> None:
    """Sign out of the portal one is in, which signs out of Connect too."""
    walk.press("Sign out")
    assert SIGNED_OUT in walk.body
    walk.open("/account")
    assert walk.heading == walk.text("p.title")  # nobody is signed in any more


@pytest.mark.parametrize("language", ["fr", "de", "it", "en"])
def test_the_guide_by_sms(demo: Demo, letters: Letters, open_page: Opener, language: str) -> None:
    portal_a, portal_b = PORTALS[language]
    first, second = letters.pair(language)
    email, mobile = f"sms-{language}@example.ch", MOBILES[language]
    walk = Walk(open_page(language), demo.home, demo, language)
    enter(walk, portal_a)
    walk.enter_code(first)
    assert walk.heading == walk.text("r2.title")
    walk.enter_email(email)
    assert walk.heading == walk.text("r4.title")
    before = demo.count()
    walk.enter_details(first, "sms", mobile)
    assert walk.heading == walk.text("r5.title")
    assert walk.says("r5.sent", number=mobile)
    walk.fill("otp", demo.code("sms", international(mobile), before))
    walk.press()
    assert walk.heading == walk.text("r7.title")
    walk.press(walk.text("r7.go", portal=portal_a))
    arrive(walk, demo, 0)
    assert (len(walk.screens) - 1, walk.fields, walk.activations) == (8, 7, 10)  # ux.md §10.1; the portal is no screen

    walk.open(f"{demo.portals[1]}/login")  # signed in, but no record of portal B is linked yet
    assert walk.says("l.noportal", portal=portal_b)
    walk.enter_code(second)
    walk.fill("birth_date", second.birth_date)
    walk.press()
    arrive(walk, demo, 1)

    leave(walk, demo)
    walk.open("/")
    walk.press(walk.page.locator(".portals a").filter(has_text=portal_a))
    walk.sign_in_by_sms(email, mobile)
    arrive(walk, demo, 0)
    walk.open(f"{demo.portals[1]}/login")  # linked: without a question
    arrive(walk, demo, 1)

    walk.open("/account")
    walk.press(walk.text("acc.signout"))
    assert walk.heading == walk.text("lo.title")
    walk.press(walk.text("lo.all"))
    assert walk.heading == walk.text("lo.done")
    assert portal_a in walk.body
    assert portal_b in walk.body


@pytest.mark.parametrize("language", ["fr", "de", "it", "en"])
def test_the_guide_by_app(demo: Demo, letters: Letters, open_page: Opener, language: str) -> None:
    portal_a = PORTALS[language][0]
    letter, email = letters.one(), f"app-{language}@example.ch"
    walk = Walk(open_page(language), demo.home, demo, language)
    enter(walk, portal_a)
    app = walk.register_by_app(letter, email)
    assert walk.heading == walk.text("r7.title")
    walk.press(walk.text("r7.go", portal=portal_a))
    arrive(walk, demo, 0)
    assert len(walk.screens) - 1 <= 8
    assert walk.fields <= 7
    assert walk.activations <= 10

    leave(walk, demo)
    walk.open("/")
    walk.press(walk.page.locator(".portals a").filter(has_text=portal_a))
    walk.fields = walk.activations = 0
    walk.sign_in_by_app(email, app)
    arrive(walk, demo, 0)
    assert (walk.fields, walk.activations) == (3, 2)


def test_every_sentence_of_the_guide_is_true_of_the_pages(demo: Demo, letters: Letters, open_page: Opener) -> None:
    """The words that the French guide quotes or names stand on the screen it describes."""
    letter = letters.one()
    walk = Walk(open_page("fr"), demo.home, demo)

    def stands(*sentences: str) -> None:
        words = walk.body.replace("’", "'").replace(" :", ":").replace(" ?", "?")
        assert [sentence for sentence in sentences if sentence not in words] == []

    walk.open("/")
    stands("Choisissez votre portail", "Je n'ai pas reçu de lettre ou de code")
    walk.press(walk.page.locator(".portals a").filter(has_text="Caisse Démo A"))
    stands("Adresse e-mail", "Mot de passe", "Continuer", "J'ai un code d'inscription")
    walk.press(walk.text("l.register"))
    stands(
        "Code d'inscription personnel", "code expiré?", "service clientèle", "058 123 45 67", "aide@demo-a.example.ch"
    )
    walk.enter_code(letter)
    stands("Adresse e-mail privée")
    before = demo.count()
    walk.fill("email", "phrase@example.ch")
    walk.press()
    stands("Pas d'e-mail après dix minutes?", "spam", "Renvoyer un code par e-mail")
    walk.fill("otp", demo.code("mail", "phrase@example.ch", before))
    walk.press()
    stands("SMS", "Authenticator (OTP)")
    walk.choose("factor", "sms")
    stands("Numéro de mobile privé")
    before = demo.count()
    walk.enter_details(letter, "sms", "079 301 00 05")
    stands("un code à 6 chiffres", "Code SMS", "Renvoyer un code SMS")
    code = demo.code("sms", "+41793010005", before)
    walk.press(walk.text("r5.switch"))
    stands("Installez une application d'authentification", "touchez le signe +", "Scannez ce code QR",
           "Le compte «Connect» apparaît dans l'application", "code à usage unique")  # fmt: skip
    walk.press(walk.text("r6.switch"))
    walk.fill("otp", code)
    walk.press()
    stands("Votre inscription est terminée")


GUIDE = """
Avant de pouvoir utiliser Connect, vous devez vous inscrire.
Sélectionnez le portail souhaité.
Cliquez sur «J'ai un code d'inscription».
Saisissez le code d'inscription personnel qui figure sur votre courrier.
Saisissez votre adresse e-mail privée.
Vous recevez un e-mail avec un nouveau code.
Si vous n'avez pas reçu d'e-mail dans les dix minutes, vérifiez votre dossier Spam.
Saisissez le code figurant dans l'e-mail.
Dans la fenêtre suivante, renseignez l'ensemble des champs requis.
Saisissez le numéro de votre téléphone mobile privé.
Vous recevez un code à six chiffres sur votre téléphone mobile.
Saisissez le code sous «Code SMS» dans Connect.
cliquez sur «Renvoyer un code SMS»
Ouvrez l'App Store sur votre téléphone mobile et saisissez «Authenticator» dans le champ de recherche.
Installez l'application Authenticator de Microsoft.
Ouvrez l'application Authenticator et sélectionnez + à l'angle supérieur droit.
Scannez le code QR du masque de saisie dans Connect.
Le nouveau compte pour Connect apparaît dans l'application Authenticator.
Cliquez sur le compte et saisissez le code unique dans Connect
Votre inscription est terminée.
Saisissez votre adresse e-mail et votre mot de passe.
Cliquez sur «Continuer» pour accéder à l'authentification multifacteur.
Saisissez votre code SMS ou le code de l'application Authenticator.
"""


def test_the_help_page_holds_the_guide(demo: Demo, open_page: Opener) -> None:
    walk = Walk(open_page("fr"), demo.home, demo)
    walk.open("/help")
    words = walk.body.replace("’", "'")
    assert [sentence for sentence in GUIDE.strip().splitlines() if sentence not in words] == []
    for language in ("de", "it", "en"):
        walk.open(f"/help?lang={language}")
        for key in ("l.register", "r5.resend", "r4.app", "r5.label", "c.continue"):
            assert TEXTS.get(language, key) in walk.body, (language, key)
