"""What a person has on the screen at a step, for whoever is on the telephone with them: headings and labels alone.

In the person's language and the portal's own words; never what was typed, never a code. The steps are those that
services/dossier.py tells apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from idp.models.flow import FlowRun
from idp.models.portal import Portal
from idp.services.bundle import services
from idp.texts import PLACEHOLDER

# Step → heading, labels of what is to be filled in, buttons and links.
SCREENS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "email": ("r2.title", ("r2.label",), ("c.continue",)),
    "email_code": ("r3.title", ("r3.label",), ("c.continue", "r3.resend")),
    "details": ("r4.title", ("r4.dob", "r4.pw", "r4.factor"), ("c.continue",)),
    "sms_code": ("r5.title", ("r5.label",), ("c.continue", "r5.resend")),
    "app": ("r6.title", ("r6.label",), ("c.continue",)),
}
STEPS = {"app": "totp_enrol"}  # where the walk names a step otherwise


@dataclass(frozen=True, repr=False)
class Preview:
    """`errors` are what the page says is wrong, where that names nothing."""

    language: str
    title: str
    fields: tuple[str, ...]
    buttons: tuple[str, ...]
    errors: tuple[str, ...]


def preview(run: FlowRun, step: str, portal: Portal, language: str) -> Preview:
    """The screen of this step."""
    texts = services().texts.of(portal.texts)
    title, fields, buttons = SCREENS[step]
    wrong = run.errors.get(STEPS.get(step, step), {})
    said = [texts.get(language, key, phone=portal.phone) for key, _ in wrong.values()]
    return Preview(
        language=language,
        title=texts.get(language, title),
        fields=tuple(texts.get(language, key) for key in fields),
        buttons=tuple(texts.get(language, key) for key in buttons),
        errors=tuple(one for one in said if not PLACEHOLDER.search(one)),
    )
