"""What is done with a webhook: a new secret beside the old one, a test, a message again, switched off, on, removed."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from flask import Blueprint, abort, redirect, request
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, whose
from idp.admin.portal_state import ConfirmView
from idp.admin.webhooks import CHANGE, LIST, ONE, load, secret_page
from idp.services.bundle import services
from idp.web import kept
from idp.web.i18n import text
from idp.web.kept import Wrong

blueprint = Blueprint("admin_webhook_deeds", __name__)
KEEP = {"day": timedelta(days=1), "week": timedelta(days=7), "none": timedelta(0)}


@blueprint.post(ONE)
@requires(CHANGE)
def renew(webhook_id: UUID) -> Response:
    """The new secret stands in this answer and nowhere else."""
    (row, _), chosen = load(webhook_id), request.form.get("keep", "")
    if chosen not in KEEP:
        return kept.lead(request.path, whose(), {}, {"keep": Wrong("por.e.keep")})
    if services().webhooks.has_previous(row):
        return kept.lead(request.path, whose(), {"keep": chosen}, {"keep": Wrong("por.e.two")})
    return secret_page(row, services().webhooks.renew(row, KEEP[chosen]))


@blueprint.post(f"{ONE}/end-secret")
@requires(CHANGE)
def end_secret(webhook_id: UUID) -> Response:
    row, _ = load(webhook_id)
    if services().webhooks.has_previous(row):
        services().webhooks.end_previous(row)
    return _back(row.id, "ended")


@blueprint.post(f"{ONE}/test")
@requires(CHANGE)
def test(webhook_id: UUID) -> Response:
    row, portal = load(webhook_id)
    if row.disabled_at is None:
        services().webhooks.test(row, portal)
    return _back(row.id, "test")


@blueprint.post(f"{ONE}/deliveries/<uuid:delivery_id>/again")
@requires(CHANGE)
def again(webhook_id: UUID, delivery_id: UUID) -> Response:
    row, _ = load(webhook_id)
    if services().webhooks.redeliver(row, delivery_id) is None:
        abort(404)
    return _back(row.id, "again")


@blueprint.post(f"{ONE}/enable")
@requires(CHANGE)
def enable(webhook_id: UUID) -> Response:
    row, _ = load(webhook_id)
    services().webhooks.enable(row)
    return _back(row.id, "enable")


@blueprint.get(f"{ONE}/disable")
@requires(CHANGE)
def ask_disable(webhook_id: UUID) -> Response:
    return _ask(webhook_id, "disable")


@blueprint.post(f"{ONE}/disable")
@requires(CHANGE)
def disable(webhook_id: UUID) -> Response:
    row, _ = load(webhook_id)
    if row.disabled_at is None:
        services().webhooks.disable(row)
    return _back(row.id, "disable")


@blueprint.get(f"{ONE}/remove")
@requires(CHANGE)
def ask_remove(webhook_id: UUID) -> Response:
    return _ask(webhook_id, "remove")


@blueprint.post(f"{ONE}/remove")
@requires(CHANGE)
def remove(webhook_id: UUID) -> Response:
    row, _ = load(webhook_id)
    services().webhooks.remove(row)
    return redirect(f"{LIST}?done=remove", 303)


def _ask(webhook_id: UUID, deed: str) -> Response:
    row, _ = load(webhook_id)
    view = ConfirmView(text(f"hook.{deed}.effect", url=row.url), text(f"hook.{deed}"))
    return console("admin/confirm.html", text(f"hook.{deed}"), view, needs=CHANGE, back=f"{LIST}/{row.id}")


def _back(webhook_id: UUID, done: str) -> Response:
    return redirect(f"{LIST}/{webhook_id}?done={done}", 303)
