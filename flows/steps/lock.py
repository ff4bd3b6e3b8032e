"""What a lock does: a method that was guessed at too often is closed for a while, and the owner is told, once.

The other methods, each with a counter of its own, and the ways of somebody who lost the telephone stay open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flows.context import Context
from flows.engine import Restart
from idp.models.account import NOBODY
from idp.models.session import was_seen_on
from idp.services.accounts import guessed_at
from idp.services.attempts import APP_CODE, PASSWORD, RECOVERY_CODE, RECOVERY_LETTER, SMS_CODE, Budget, Refused
from idp.services.audit import AuditTag
from idp.services.metrics import LOCKS

FACTOR_BUDGETS: dict[str, Budget] = {
    "sms": SMS_CODE, "app": APP_CODE, "recovery": RECOVERY_CODE, "letter": RECOVERY_LETTER,
}  # fmt: skip
WAYS_BACK = ("recovery", "letter", "desk")  # the methods of somebody who lost the second factor


@dataclass(frozen=True)
class Place:
    """A journey that asks for a second factor: the address of its first step, where it offers the other methods and
    help, and the step that is shown once the factor is proved.
    """

    first: str
    methods: str
    after: str = ""
    help: str = ""
    is_own: bool = False  # a change that the owner makes: not asked again soon after the sign-in
    may_trust: bool = False  # the browser may stand in for the second factor from then on
    takes_reset: bool = False  # what two operators agreed on counts here, beside the password
    asks_always: bool = False  # save that what cannot be undone is asked anew

    def back(self, ctx: Context) -> str:
        """Whence one comes: a change leads back to the account, for whoever confirmed is not asked again."""
        return "/account/security" if self.is_own else ctx.link(self.first)


SIGN_IN = Place("login", "login/methods", help="login/help", may_trust=True, takes_reset=True)
RESET = Place("reset", "reset/methods", "new_password", help="reset/help")


def own(path: str, after: str, *, asks_always: bool = False) -> Place:
    """A change that begins with its owner's proof, at addresses below this one."""
    return Place(f"{path}/confirm", f"{path}/methods", after, is_own=True, asks_always=asks_always)


def proved_lately(ctx: Context, place: Place) -> dict[str, Any] | None:
    """The owner who signed in a moment ago is not asked for the second factor again."""
    is_asked = not place.is_own or place.asks_always
    is_fresh = not is_asked and ctx.session and ctx.services.sessions.is_confirmed(ctx.session, with_factor=True)
    return {"factor_proved": True} if is_fresh else None


def proved_factor(place: Place, answer: dict[str, str]) -> dict[str, Any]:
    """What a right code proves, and whether the person wants to be asked for none in this browser from now on."""
    wish = {"is_trusted": answer.get("trust") == "yes"} if place.may_trust else {}
    return {"factor_proved": True, **wish}


def browser_subject(ctx: Context, email: str, account_id: UUID | None) -> str:
    """A browser this account signed in with before has a budget of its own: strangers cannot lock its owner out."""
    return guessed_at(email, ctx.browser_hash, is_known=was_seen_on(account_id or NOBODY, ctx.browser_hash))


def lock_begins(ctx: Context, account_id: UUID | None, typed: str = "") -> None:
    """Mail M5 to the owner. Without an account the same rows are written, so that nobody learns who exists."""
    account = ctx.services.accounts.active(account_id) if account_id else None
    ctx.services.audit.record(AuditTag.ATTEMPTS_EXHAUSTED, account=account_id, portal=ctx.portal.id)
    ctx.count(LOCKS, ctx.portal.slug)
    ctx.services.notices.tell(
        "blocked", account, portal=ctx.portal, device=ctx.device, place=ctx.network, typed=typed, language=ctx.language
    )


def locks(ctx: Context, methods: tuple[str, ...]) -> dict[str, Refused]:
    """Which of these methods are locked, and until when; a pause of a minute is none."""
    budgets = {method: FACTOR_BUDGETS[method].kind for method in methods if method in FACTOR_BUDGETS}
    locked = _all_locks(ctx)  # what the desk agreed on is no guess
    return {method: locked[kind] for method, kind in budgets.items() if kind in locked}


def password_lock(ctx: Context) -> Refused | None:
    """Whether guessing at the password of this walk's account is closed in this browser; a pause is no lock."""
    return _all_locks(ctx).get(PASSWORD.kind)


def _all_locks(ctx: Context) -> dict[str, Refused]:
    """Everything that is guessed at in a walk, in one look."""
    standing, account_id = ctx.standing(), str(ctx.state.account_id)
    subjects = [(budget, account_id) for budget in FACTOR_BUDGETS.values()]
    if standing is not None:
        subjects.append((PASSWORD, standing.subject(ctx.browser_hash)))
    return ctx.locks(subjects)


def factor_lock(ctx: Context, method: str) -> Restart | None:
    """Back to the choice among the methods while this one is locked (security.md C-23): whoever proved the password
    may take another way, and no guess at this one is judged.
    """
    locked = locks(ctx, (method,))
    return Restart("choose_method", "method", ctx.wait(locked[method])) if locked else None
