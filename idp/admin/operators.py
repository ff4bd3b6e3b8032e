"""Who works in the console: invite, change roles, let somebody back in, end the work of one."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, abort, redirect, request
from werkzeug.wrappers import Response

from idp.admin.entrance import console, refused, requires, whose, worker
from idp.admin.home import role_in_words
from idp.models.account import Account
from idp.models.base import db
from idp.models.operator import Operator, OperatorInvitation
from idp.models.portal import list_portals
from idp.services.bundle import services
from idp.services.emails import email_problem, normalise_email
from idp.services.operator_mail import mail_invitation
from idp.services.operators import LastSuperuser, roles_words
from idp.services.permissions import Permission, Role
from idp.texts import format_moment
from idp.web import kept
from idp.web.forms import FormView, line
from idp.web.i18n import language, text
from idp.web.kept import Wrong

blueprint = Blueprint("admin_operators", __name__)
LIST, INVITE = "/admin/operators", "/admin/operators/invite"
SEE, CHANGE = Permission.SEE_OPERATORS, Permission.CHANGE_OPERATORS


@dataclass(frozen=True, repr=False)
class OperatorView:
    id: UUID
    name: str
    email: str
    roles: tuple[str, ...]
    state: str


@dataclass(frozen=True, repr=False)
class ListView:
    operators: tuple[OperatorView, ...]
    invitations: tuple[tuple[str, str, str], ...]  # address, roles, until when
    may_change: bool


@dataclass(frozen=True, repr=False)
class Choices:
    """What may be chosen: roles and portals, each as it is written and in words."""

    roles: tuple[tuple[str, str], ...]
    portals: tuple[tuple[str, str], ...]


@dataclass(frozen=True, repr=False)
class RolesView:
    """`held`: the roles as they are written and in words; `may_resume`: it is paused, and it is somebody else."""

    operator: OperatorView
    held: tuple[tuple[str, str], ...]
    choices: Choices
    may_resume: bool


@blueprint.get(LIST)
@requires(SEE, everywhere=True)
def operators() -> Response:
    bundle = services()
    view = ListView(
        tuple(_view(*found) for found in bundle.operators.everybody()),
        tuple(
            (one.email, ", ".join(map(role_in_words, one.roles)), format_moment(one.expires_at))
            for one in bundle.operators.open_invitations()
        ),
        may_change=worker().rights.may(CHANGE),
    )
    done = {"invited": "adm.invited", "changed": "c.saved"}.get(request.args.get("done", ""))
    status = text(done) if done else None
    return console("admin/operators.html", text("adm.operators"), view, needs=SEE, status=status)


@blueprint.get(INVITE)
@requires(CHANGE, everywhere=True)
def invite() -> Response:
    form = kept.find(whose()) or FormView()
    return console("admin/invite.html", text("adm.invite"), _choices(), needs=CHANGE, form=form, back=LIST)


@blueprint.post(INVITE)
@requires(CHANGE, everywhere=True)
def send_invitation() -> Response:
    """The link goes to the address and to nobody else, so that it proves the address."""
    typed, role = line(request.form.get("email")), _role()
    errors: dict[str, Wrong] = {}
    if normalise_email(typed) is None:
        errors["email"] = Wrong(email_problem(typed))
    if role is None:
        errors["role"] = Wrong("adm.e.role")
    if errors or role is None:
        return kept.lead(INVITE, whose(), {"email": typed, **_chosen()}, errors)
    mail_invitation(services(), typed, [role], worker().account.id, language())
    return redirect(f"{LIST}?done=invited", 303)


@blueprint.get("/admin/operators/<uuid:account_id>")
@requires(CHANGE, everywhere=True)
def operator(account_id: UUID) -> Response:
    """What somebody holds, to be changed; and the way back in after a recovery."""
    row, account = _load(account_id)
    shown, may_resume = _view(row, account), bool(row.paused_at) and account_id != worker().account.id
    held = tuple((one, role_in_words(one)) for one in roles_words(account_id))
    form = kept.find(whose()) or FormView()
    status = text("c.saved") if "done" in request.args else None
    return console(
        "admin/operator.html", shown.name, RolesView(shown, held, _choices(), may_resume), needs=CHANGE, form=form,
        back=LIST, status=status,
    )  # fmt: skip


@blueprint.post("/admin/operators/<uuid:account_id>")
@requires(CHANGE, everywhere=True)
def change(account_id: UUID) -> Response:
    """Give one role more, or take one away."""
    _load(account_id)
    removed, added = line(request.form.get("remove"))[:100], _role()
    if not removed and added is None:
        return kept.lead(request.path, whose(), _chosen(), {"role": Wrong("adm.e.role")})
    held = set(roles_words(account_id))
    after = held - {removed} if removed else held | {str(added)}
    try:
        services().operators.change_roles(account_id, sorted(after), worker().account.id)
    except LastSuperuser:
        db.session.rollback()
        return kept.lead(request.path, whose(), {}, {"role": Wrong("adm.e.last")})
    return redirect(f"{request.path}?done=yes", 303)


@blueprint.post("/admin/operators/<uuid:account_id>/resume")
@requires(CHANGE, everywhere=True)
def resume(account_id: UUID) -> Response:
    """Nobody lets themselves back in: another one must know that it is they."""
    if worker().account.id == account_id:
        return refused(CHANGE)
    _load(account_id)
    services().operators.resume(account_id, worker().account.id)
    return redirect(f"{LIST}?done=changed", 303)


def _load(account_id: UUID) -> tuple[Operator, Account]:
    operator, account = db.session.get(Operator, account_id), db.session.get(Account, account_id)
    if operator is None or account is None:
        abort(404)
    return operator, account


def _chosen() -> dict[str, str]:
    return {name: line(request.form.get(name))[:100] for name in ("role", "portal")}


def _role() -> str | None:
    """The role that was chosen, as it is written; None where it is none, or is held at all portals only."""
    chosen, choices = _chosen(), _choices()
    role, slug = chosen["role"], chosen["portal"]
    if role not in dict(choices.roles) or slug not in {"", *dict(choices.portals)}:
        return None
    if not slug:
        return role
    return None if role == Role.SUPERUSER else f"{role}@{slug}"


def _choices() -> Choices:
    roles = tuple((role.value, text(f"role.{role}")) for role in Role)
    return Choices(roles, tuple((portal.slug, portal.name(language())) for portal in list_portals()))


def _view(operator: Operator, account: Account) -> OperatorView:
    state = "paused" if operator.paused_at else account.status
    name = account.full_name or account.email
    roles = tuple(role_in_words(one) for one in roles_words(account.id))
    return OperatorView(account.id, name, account.email, roles, text(f"adm.state.{state}"))


def _invitation(row: OperatorInvitation) -> tuple[str, str, str]:
    return row.email, ", ".join(role_in_words(one) for one in row.roles), format_moment(row.expires_at)
