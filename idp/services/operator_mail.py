"""The mail that brings an invitation to the console to its address, and to nobody else."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from idp.models.operator import OperatorInvitation
from idp.services.bundle import Services
from idp.texts import format_day, format_time


def mail_invitation(
    bundle: Services, email: str, roles: Sequence[str], by: UUID | None, language: str
) -> OperatorInvitation:
    """Invite and queue the mail, in the caller's transaction. Raises `BadInput`."""
    secret, invitation = bundle.operators.invite(email, roles, by)
    values = {
        "url": f"{bundle.settings.issuer}/admin/invitation#{secret}",
        "host": bundle.settings.host,
        "date": format_day(invitation.expires_at),
        "time": format_time(invitation.expires_at),
    }
    bundle.outbox.mail(
        "operator", to=invitation.email, language=language, portal=None, values=values, expires_at=invitation.expires_at
    )
    return invitation
