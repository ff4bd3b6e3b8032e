"""Inviting a developer to register a portal that is described here (RFC 7591 §3, docs/portals.md)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from flask import Blueprint, request
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, whose
from idp.admin.portal_edit import EditView, FieldView, defaults_of, fields_view, typed_entries
from idp.admin.portal_faults import errors_of
from idp.admin.portal_forms import INVITED, Kind, read, shown
from idp.admin.portals import LIST
from idp.errors import BadInput
from idp.services.bundle import services
from idp.services.invites import DEVELOPER_FIELDS
from idp.services.permissions import Permission
from idp.services.portal_details import faults_in
from idp.texts import format_moment
from idp.web import kept
from idp.web.forms import FormView, digits_only
from idp.web.i18n import text
from idp.web.kept import Wrong

blueprint = Blueprint("admin_portal_invite", __name__)
INVITE = "/admin/invite-portal"
CREATE = Permission.CREATE_PORTAL
LONGEST_DAYS = 90


@dataclass(frozen=True, repr=False)
class InvitedView:
    endpoint: str
    secret: str
    until: str


@blueprint.get(INVITE)
@requires(CREATE, everywhere=True)
def show() -> Response:
    form = kept.find(whose()) or FormView({**shown(defaults_of(INVITED), INVITED), "valid_days": "14"})
    days = FieldView("valid_days", Kind.LINE, text("por.f.valid_days"), text("por.h.valid_days"), (), False)
    view = EditView((*fields_view(INVITED), days), "", text("por.invite"), text("por.invite.note"))
    return console("admin/portal_edit.html", text("por.invite"), view, needs=CREATE, form=form, back=LIST)


@blueprint.post(INVITE)
@requires(CREATE, everywhere=True)
def invite() -> Response:
    """The key of the invitation is in this answer and nowhere else."""
    typed = typed_entries(INVITED)
    values, _ = read(typed, INVITED)
    said = {name: value for name, value in values.items() if value is not None and value != ""}
    days = int(digits_only(request.form.get("valid_days")) or 0)
    errors = {} if 1 <= days <= LONGEST_DAYS else {"valid_days": Wrong("por.e.valid_days")}
    faults = faults_in(said, frozenset(DEVELOPER_FIELDS))
    if not errors and not faults:
        try:
            secret, until = services().invites.invite(said, timedelta(days=days))
        except BadInput as error:
            faults = error.message.splitlines()
        else:
            view = InvitedView(f"{services().settings.issuer}/register", secret, format_moment(until))
            return console("admin/portal_invited.html", text("por.invited"), view, needs=CREATE, can_switch=False)
    typed["valid_days"] = request.form.get("valid_days", "")[:10]
    return kept.lead(INVITE, whose(), typed, errors_of("\n".join(faults), INVITED) | errors)
