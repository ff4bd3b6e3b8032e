"""What mails and SMS say, in four languages and in a portal's own words: looked at, with invented data, never sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from flask import Blueprint, request
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, worker
from idp.admin.messages import LIST
from idp.models.portal import Portal, list_portals
from idp.services.bundle import services
from idp.services.message_samples import Sample
from idp.services.permissions import Permission
from idp.texts import LANGUAGE_NAMES
from idp.web.forms import FormView
from idp.web.i18n import language, text

blueprint = Blueprint("admin_message_texts", __name__)
SEE = Permission.SEE_MESSAGES


@dataclass(frozen=True, repr=False)
class KindView:
    """One message; `samples`: language, its name, and what it says."""

    title: str
    samples: tuple[tuple[str, str, Sample], ...]


@dataclass(frozen=True, repr=False)
class TextsView:
    portals: tuple[tuple[str, str], ...]
    kinds: tuple[KindView, ...]


@blueprint.get(f"{LIST}/texts")
@requires(SEE)
def texts() -> Response:
    """Of the portal that is asked for, else of the first that one may see; at all portals also the installation's."""
    rights, made = worker().rights, services().message_samples
    portals = [portal for portal in list_portals() if rights.may(SEE, portal.id)]
    wanted = request.args.get("portal", "")
    portal: Portal | None = next((one for one in portals if one.slug == wanted), portals[0] if portals else None)
    kinds = []
    if portal is not None:
        kinds += [*_kinds("mail", made.mails(portal)), *_kinds("sms", made.sms(portal))]
    if rights.may(SEE):
        kinds += _kinds("mail", made.mails(None))
    view = TextsView(tuple((one.slug, one.name(language())) for one in portals), tuple(kinds))
    form = FormView({"portal": portal.slug if portal else ""})
    return console("admin/message_texts.html", text("msg.texts"), view, needs=SEE, form=form, back=LIST)


def _kinds(channel: str, samples: Iterable[Sample]) -> list[KindView]:
    return [
        KindView(
            text(f"msg.t.{channel}.{kind}"), tuple((one.language, LANGUAGE_NAMES[one.language], one) for one in found)
        )
        for kind, found in groupby(samples, lambda sample: sample.kind)
    ]
