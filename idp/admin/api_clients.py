"""The systems that may use the admin API: made, listed, given a new secret, ended."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, abort, redirect, request
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, whose, worker
from idp.admin.portal_edit import FieldView, SecretView
from idp.admin.portal_forms import Kind
from idp.admin.portal_secrets import KEEP
from idp.admin.portal_state import ConfirmView
from idp.errors import BadInput
from idp.models.api_client import ApiClient, find_api_client
from idp.models.base import db
from idp.models.portal import Portal, list_portals
from idp.services.bundle import services
from idp.services.permissions import Permission, Scope
from idp.texts import format_moment
from idp.web import kept
from idp.web.forms import FormView, line
from idp.web.i18n import language, text
from idp.web.kept import Wrong

blueprint = Blueprint("admin_api_clients", __name__)
LIST, NEW, CHANGE = "/admin/api-clients", "/admin/api-clients/new", Permission.CHANGE_API_CLIENTS
BOXES = {f"scopes_{at}": scope for at, scope in enumerate(Scope)}


@dataclass(frozen=True, repr=False)
class ClientView:
    client_id: str
    name: str
    portal: str
    scopes: tuple[str, ...]
    used: str


@dataclass(frozen=True, repr=False)
class ListView:
    clients: tuple[ClientView, ...]


@dataclass(frozen=True, repr=False)
class NewView:
    scopes: FieldView
    portals: tuple[tuple[str, str], ...]


@dataclass(frozen=True, repr=False)
class OneView:
    """`previous`: until when the older secret is good, where there is one."""

    client: ClientView
    made: str
    previous: str
    choices: tuple[tuple[str, str], ...]


@blueprint.get(LIST)
@requires(CHANGE, everywhere=True)
def clients() -> Response:
    view = ListView(tuple(_view(row) for row in services().api_clients.all()))
    status = text("api.revoked") if "done" in request.args else None
    return console("admin/api_clients.html", text("api.title"), view, needs=CHANGE, status=status)


@blueprint.get(NEW)
@requires(CHANGE, everywhere=True)
def new() -> Response:
    boxes = tuple((box, str(scope), text(f"api.scope.{_key(scope)}")) for box, scope in BOXES.items())
    scopes = FieldView("scopes", Kind.CHECKS, text("api.may"), "", boxes, False)
    view = NewView(scopes, tuple((portal.slug, portal.name(language())) for portal in list_portals()))
    form = kept.find(whose()) or FormView()
    return console("admin/api_client_new.html", text("api.new"), view, needs=CHANGE, form=form, back=LIST)


@blueprint.post(NEW)
@requires(CHANGE, everywhere=True)
def add() -> Response:
    """The secret stands in this answer and nowhere else."""
    chosen = {box: scope for box, scope in BOXES.items() if request.form.get(box)}
    name, slug = line(request.form.get("name"))[:200], line(request.form.get("portal"))[:100]
    try:
        made, secret = services().api_clients.add(name, list(chosen.values()), slug or None, worker().account.id)
    except BadInput as error:
        faults = {fault.partition(":")[0] for fault in error.message.splitlines()}
        wrong = {fault: Wrong(f"api.e.{fault}") for fault in faults}
        typed = {"name": name, "portal": slug, **dict.fromkeys(chosen, "yes")}
        return kept.lead(NEW, whose(), typed, wrong)
    return _secret_page(made, secret)


@blueprint.get(f"{LIST}/<client_id>")
@requires(CHANGE, everywhere=True)
def client(client_id: str) -> Response:
    row = _load(client_id)
    form = kept.find(whose()) or FormView({"keep": "week"})
    return console("admin/api_client.html", row.name, _one(row), needs=CHANGE, form=form, back=LIST)


@blueprint.post(f"{LIST}/<client_id>")
@requires(CHANGE, everywhere=True)
def renew(client_id: str) -> Response:
    """The new secret stands in this answer and nowhere else."""
    row, chosen = _load(client_id), request.form.get("keep", "")
    if chosen not in KEEP:
        return kept.lead(request.path, whose(), {}, {"keep": Wrong("por.e.keep")})
    try:
        secret = services().api_clients.renew(row, KEEP[chosen])
    except BadInput:
        return kept.lead(request.path, whose(), {"keep": chosen}, {"keep": Wrong("por.e.two")})
    return _secret_page(row, secret)


@blueprint.post(f"{LIST}/<client_id>/end-secret")
@requires(CHANGE, everywhere=True)
def end_secret(client_id: str) -> Response:
    row = _load(client_id)
    if services().api_clients.has_previous(row):
        services().api_clients.end_previous(row)
    return redirect(f"{LIST}/{row.client_id}", 303)


@blueprint.get(f"{LIST}/<client_id>/revoke")
@requires(CHANGE, everywhere=True)
def ask_revoke(client_id: str) -> Response:
    row = _load(client_id)
    view = ConfirmView(text("api.revoke.effect", name=row.name), text("api.revoke"))
    title, back = text("api.revoke.title", name=row.name), f"{LIST}/{row.client_id}"
    return console("admin/confirm.html", title, view, needs=CHANGE, back=back)


@blueprint.post(f"{LIST}/<client_id>/revoke")
@requires(CHANGE, everywhere=True)
def revoke(client_id: str) -> Response:
    services().api_clients.revoke(_load(client_id))
    return redirect(f"{LIST}?done=revoked", 303)


def _load(client_id: str) -> ApiClient:
    found = find_api_client(client_id)
    if found is None:
        abort(404)
    return found


def _secret_page(row: ApiClient, secret: str) -> Response:
    view = SecretView(row.client_id, secret, f"{LIST}/{row.client_id}")
    return console("admin/api_client_secret.html", row.name, view, needs=CHANGE, can_switch=False)


def _one(row: ApiClient) -> OneView:
    until, made = row.previous_secret_until, row.client_secret_made_at
    previous = ""
    if services().api_clients.has_previous(row):
        previous = format_moment(until) if until else text("por.secret.by.hand")
    choices = tuple((name, text(f"api.keep.{name}")) for name in KEEP)
    return OneView(_view(row), format_moment(made) if made else "", previous, choices)


def _view(row: ApiClient) -> ClientView:
    portal = db.session.get(Portal, row.portal_id) if row.portal_id else None
    return ClientView(
        client_id=row.client_id,
        name=row.name,
        portal=portal.name(language()) if portal else text("adm.everywhere"),
        scopes=tuple(text(f"api.scope.{_key(scope)}") for scope in row.scopes),
        used=format_moment(row.used_at) if row.used_at else text("api.never"),
    )


def _key(scope: str) -> str:
    return scope.replace(":", ".")
