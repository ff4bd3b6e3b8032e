"""What has ended goes, what may still be asked for stays, and no pass is longer than its bound."""

from __future__ import annotations

import re
import threading
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import Select, event, func, literal, select, text

from idp.clock import FrozenClock
from idp.models.account import Account
from idp.models.authorization import (
    AccessToken,
    AssertionID,
    AuthorizationCode,
    DeviceAuthorization,
    Grant,
    PendingRequest,
    PortalInvite,
    PushedRequest,
    RefreshToken,
)
from idp.models.base import Base, db
from idp.models.flow import AttemptCounter, Challenge, FlowRun, Submission
from idp.models.kept_form import KeptForm
from idp.models.outbox import OutboxMessage
from idp.models.portal import Portal
from idp.models.self_test import ObservedRequest, SelfTest
from idp.models.session import PortalSession, Session
from idp.models.trusted_device import TrustedDevice
from idp.services import housekeeping
from idp.services.attempts import FOREVER, PASSWORD
from idp.services.bundle import Services
from idp.services.housekeeping import Cleaned, Progress, clean, heaps
from idp.services.kept_forms import KEPT_FOR
from idp.services.pace import LONG_S, Pace
from idp.services.trusted_devices import TRUSTED_FOR
from idp.services.walk_tallies import ended
from tests.support.engines import POSTGRESQL

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def account(app: Flask, services: Services) -> Account:
    made = services.accounts.create(
        email="helene@example.ch", given_name="H", family_name="M", language="fr", password_hash="x"
    )
    db.session.commit()
    return made


class Household:
    """Makes one row of each kind, all of the same moment."""

    def __init__(self, portal: Portal, account: Account, at: datetime) -> None:
        self.portal, self.account, self.at = portal.id, account.id, at

    def session(self, **changes: Any) -> Session:
        return self._add(
            Session, secret_hash=str(uuid4()), account_id=self.account, browser_hash="b", created_at=self.at,
            auth_time=self.at, seen_at=self.at, acr="mfa", amr=[], user_agent="", **changes,
        )  # fmt: skip

    def grant(self, session: Session, expires_at: datetime, revoked_at: datetime | None = None) -> Grant:
        presence = db.session.scalars(select(PortalSession).filter_by(session_id=session.id)).first() or self._add(
            PortalSession, session_id=session.id, portal_id=self.portal, created_at=self.at
        )
        grant = self._add(
            Grant, portal_id=self.portal, account_id=self.account, session_id=session.id, sid=presence.id,
            scope="openid", auth_time=self.at, acr="mfa", amr=[], created_at=self.at, expires_at=expires_at,
            revoked_at=revoked_at,
        )  # fmt: skip
        self.hang_from(grant.id, expires_at)
        return grant

    def hang_from(self, grant_id: UUID, until: datetime) -> None:
        common = {"grant_id": grant_id, "expires_at": until}
        self._add(AuthorizationCode, code_hash=str(uuid4()), portal_id=self.portal, redirect_uri="x", **common)
        self.token(grant_id, until)
        self._add(RefreshToken, token_hash=str(uuid4()), scope="openid", **common)
        self._add(
            DeviceAuthorization, device_code_hash=str(uuid4()), user_code_hash=str(uuid4()), portal_id=self.portal,
            scope="openid", created_at=self.at, interval_s=5, **common,
        )  # fmt: skip

    def token(self, grant_id: UUID, until: datetime) -> None:
        self._add(
            AccessToken, token_hash=str(uuid4()), portal_id=self.portal, scope="openid", created_at=self.at,
            grant_id=grant_id, expires_at=until,
        )  # fmt: skip

    def run(self) -> None:
        run = self._add(
            FlowRun, handle_hash=str(uuid4()), browser_hash="b", journey="login", portal_id=self.portal, state={},
            entries={}, errors={}, notice={}, created_at=self.at, expires_at=self.at,
        )  # fmt: skip
        self._add(Challenge, run_id=run.id, kind="sms", recipient_hash="r", sent_at=self.at, expires_at=self.at)
        db.session.add(Submission(run_id=run.id, nonce="n"))

    def short_lived(self) -> None:
        common = {"portal_id": self.portal, "expires_at": self.at}
        waiting = {"handle_hash": str(uuid4()), "parameters": {}, "created_at": self.at}
        self._add(PendingRequest, browser_hash="b", **waiting, **common)
        self._add(PushedRequest, **waiting, **common)
        self._add(PortalInvite, token_hash="t", details={}, created_at=self.at, expires_at=self.at)
        self._add(ObservedRequest, at=self.at, endpoint="/token", observation={}, **common)
        db.session.add(SelfTest(portal_id=self.portal, watched_until=self.at))
        db.session.add(AssertionID(id_hash="a", expires_at=self.at))

    def _add(self, model: type[Any], **values: Any) -> Any:
        row = model(id=uuid4(), **values)
        db.session.add(row)
        db.session.flush()
        return row


@pytest.fixture
def household(portal: Portal, account: Account, clock: FrozenClock) -> Household:
    return Household(portal, account, clock.now())


def count(model: type[Base]) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def goes_after(model: type[Base], at: datetime, kept_for: timedelta) -> None:
    """The row is there until this much later, and then no more."""
    assert count(model) == 1
    clean(at + kept_for)
    assert count(model) == 1, f"{model.__name__} went too early"
    clean(at + kept_for + SECOND)
    assert count(model) == 0, f"{model.__name__} stays"


def test_each_row_goes_when_nobody_asks_for_it_any_more(household: Household) -> None:
    household.short_lived()
    household.run()
    db.session.commit()
    at = household.at
    goes_after(PendingRequest, at, timedelta(0))
    assert (count(ObservedRequest), count(SelfTest), count(AssertionID)) == (0, 0, 0)
    goes_after(PushedRequest, at, HOUR)
    goes_after(FlowRun, at, DAY)
    assert (count(Challenge), count(Submission)) == (0, 0)
    goes_after(PortalInvite, at, 30 * DAY)


def test_a_trusted_device_goes_with_its_last_day(
    app: Flask, services: Services, account: Account, clock: FrozenClock
) -> None:
    services.trusted_devices.trust(account.id, "b", "")
    db.session.commit()
    goes_after(TrustedDevice, clock.now(), TRUSTED_FOR)


def test_a_form_that_nobody_came_back_for_goes(
    app: Flask, services: Services, account: Account, clock: FrozenClock
) -> None:
    services.kept_forms.keep("b", account.id, "/account/sessions/end", {"session": "all"})
    db.session.commit()
    goes_after(KeptForm, clock.now(), KEPT_FOR)


def test_codes_and_tokens_go_while_their_grant_lives(household: Household, clock: FrozenClock) -> None:
    grant = household.grant(household.session(), clock.now() + 30 * DAY)
    clean(clock.now() + 2 * DAY)
    assert [count(model) for model in (AuthorizationCode, AccessToken, RefreshToken, DeviceAuthorization)] == [1] * 4
    household.hang_from(grant.id, clock.now())
    db.session.commit()
    clean(clock.now() + DAY + SECOND)
    assert [count(model) for model in (AuthorizationCode, AccessToken, RefreshToken, DeviceAuthorization)] == [1] * 4
    assert count(Grant) == 1


@pytest.mark.parametrize("is_revoked", [True, False])
def test_a_grant_that_ended_goes_after_a_day_with_all_that_hangs_from_it(
    household: Household, clock: FrozenClock, is_revoked: bool
) -> None:
    now, session = clock.now(), household.session()
    living = household.grant(session, now + 30 * DAY)
    if is_revoked:
        household.grant(session, now + 30 * DAY, revoked_at=now)
    else:
        household.hang_from(household.grant(session, now).id, now + 30 * DAY)
    db.session.commit()
    clean(now + DAY)
    assert count(Grant) == 2
    clean(now + DAY + SECOND)
    assert db.session.scalars(select(Grant.id)).all() == [living.id]
    assert set(db.session.scalars(select(RefreshToken.grant_id))) == {living.id}
    assert set(db.session.scalars(select(AccessToken.grant_id))) == {living.id}


def test_a_session_is_known_for_400_days_and_as_long_as_it_has_a_grant(
    household: Household, clock: FrozenClock
) -> None:
    household.session(ended_at=clock.now())
    kept = household.session()
    household.grant(kept, clock.now() + 500 * DAY)
    db.session.commit()
    clean(clock.now() + 400 * DAY)
    assert count(Session) == 2
    clean(clock.now() + 400 * DAY + SECOND)
    assert db.session.scalars(select(Session.id)).all() == [kept.id]
    assert count(PortalSession) == 1
    clean(clock.now() + 501 * DAY + SECOND)
    assert (count(Grant), count(PortalSession), count(Session)) == (0, 0, 0)


def test_a_settled_message_goes_after_thirty_days_and_one_that_waits_never(
    app: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    values = {"code": "123456", "time": "14:30"}
    for to in ("a@example.ch", "b@example.ch"):
        sent = services.outbox.mail("code", to=to, language="fr", portal=portal, values=values)
    row = db.session.get_one(OutboxMessage, sent)
    row.state, row.settled_at = "dead", clock.now()
    db.session.commit()
    clean(clock.now() + 30 * DAY)
    assert count(OutboxMessage) == 2
    clean(clock.now() + 30 * DAY + SECOND)
    assert db.session.scalars(select(OutboxMessage.state)).all() == ["waiting"]


def test_a_count_of_guesses_goes_and_a_streak_stays_for_400_days(
    app: Flask, services: Services, clock: FrozenClock
) -> None:
    services.attempts.spend(PASSWORD, "a@example.ch")
    services.attempts.queue("b@example.ch")
    db.session.commit()
    clean(clock.now() + DAY + SECOND)
    assert [row.streak for row in db.session.scalars(select(AttemptCounter))] == [1]
    goes_after(AttemptCounter, clock.now(), 400 * DAY)


def test_whoever_reached_the_hard_limit_stays_locked(app: Flask, services: Services, clock: FrozenClock) -> None:
    services.attempts.spend(PASSWORD, "a@example.ch")
    row = db.session.scalars(select(AttemptCounter)).one()
    row.streak, row.blocked_until = 100, clock.now() + FOREVER
    db.session.commit()
    clean(clock.now() + 5000 * DAY)
    assert count(AttemptCounter) == 1


def test_a_pass_is_bounded_and_the_next_goes_on(
    app: Flask, services: Services, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "BATCHES", 2)
    for number in range(1300):
        services.attempts.queue(str(number))
    db.session.commit()
    late, commits = clock.now() + DAY + SECOND, []
    event.listen(db.engine, "commit", lambda _: commits.append(1))
    assert clean(late) == Cleaned(1000, is_unfinished=True)
    assert len(commits) <= 2 + len(list(heaps(late)))
    assert clean(late) == Cleaned(300, is_unfinished=False)
    assert clean(late) == Cleaned(0, is_unfinished=False)


def test_the_batch_after_a_long_one_is_smaller_and_all_go_in_the_end(
    household: Household, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "BATCHES", 2)
    session = household.session()
    for number in range(100):
        household.grant(session, clock.now() - timedelta(minutes=number))
    db.session.commit()
    late, batches, passed = clock.now() + DAY + SECOND, list[int](), [0.0]

    def removed(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("DELETE FROM oauth_grant") and cursor.rowcount:
            batches.append(cursor.rowcount)
            passed[0] += LONG_S * 2

    event.listen(db.engine, "after_cursor_execute", removed)
    progress = {number: Progress(Pace(heap.batch, lambda: passed[0])) for number, heap in enumerate(heaps(late))}
    while clean(late, progress=progress).is_unfinished:
        pass
    assert batches == [50, 25, 12, 10, 3]
    assert [count(model) for model in (Grant, AuthorizationCode, AccessToken, RefreshToken)] == [0] * 4


def test_a_pass_goes_on_where_the_last_one_ended_and_comes_back_for_the_rest(
    household: Household, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "BATCHES", 1)
    progress = dict[int, Progress]()
    now, living = clock.now(), household.grant(household.session(), clock.now() + 30 * DAY)
    for number in range(600):
        household.token(living.id, now + number * SECOND)
    db.session.commit()
    late = now + HOUR
    assert clean(late, progress=progress) == Cleaned(500, is_unfinished=True)
    household.token(living.id, now)  # earlier than what went last
    db.session.commit()
    assert clean(late, progress=progress) == Cleaned(100, is_unfinished=False)
    assert clean(late, progress=progress) == Cleaned(1, is_unfinished=False)


def test_two_that_clean_at_once_share_the_work(
    app: Flask, services: Services, clock: FrozenClock, database: str
) -> None:
    for number in range(600):
        services.attempts.queue(str(number))
    db.session.commit()
    late = clock.now() + DAY + SECOND
    with db.engine.connect() as other:
        if database.startswith(POSTGRESQL):  # SQLite has one writer at a time
            other.execute(text("SELECT subject FROM attempt_counter LIMIT 500 FOR UPDATE"))
            assert clean(late).removed == 100, "it waited for rows that another had taken"
    assert count(AttemptCounter) == (500 if database.startswith(POSTGRESQL) else 600)
    clean(late)
    assert count(AttemptCounter) == 0


def explained(statement: Select[Any]) -> str:
    """How the database looks for the rows of a statement, on a table that is large."""
    words = statement.compile(db.engine, compile_kwargs={"literal_binds": True})
    if db.engine.dialect.name == POSTGRESQL:
        db.session.execute(text("SET LOCAL enable_seqscan = off"))
        db.session.execute(text("SET LOCAL enable_sort = off"))  # nor would it sort all of them to take a few
        return "\n".join(db.session.scalars(text(f"EXPLAIN {words}")))
    return "\n".join(row.detail for row in db.session.execute(text(f"EXPLAIN QUERY PLAN {words}")))


def test_cleaning_reads_no_table_from_end_to_end(app: Flask, clock: FrozenClock) -> None:
    for heap in heaps(clock.now()):
        looked_for: list[Select[Any]] = [heap.some(10, clock.now() - DAY)]
        looked_for += [select(literal(1)).where(column == uuid4()) for column in heap.along]
        for statement in looked_for:
            if heap.key is not SelfTest.portal_id:  # one row a portal
                plan = explained(statement)
                assert "Seq Scan" not in plan, plan
                assert not re.search(r"SCAN \w+$", plan, re.MULTILINE), plan
                assert not re.search("Sort|TEMP B-TREE", plan), f"it reads all that have ended for some of them: {plan}"


def test_walks_to_count_are_found_by_their_own_index(app: Flask, clock: FrozenClock) -> None:
    for some, index in zip(ended(clock.now()), ("ix_flow_run_ended", "ix_flow_run_untallied"), strict=True):
        plan = explained(some)
        assert index in plan, plan
        assert not re.search("Seq Scan|Bitmap|Sort|TEMP B-TREE", plan), plan


VOLUME = [2_500, pytest.param(200_000, marks=pytest.mark.long)]
EXPIRED = """INSERT INTO access_token (id, token_hash, portal_id, scope, created_at, expires_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, n::text, :portal, 'openid', :at, :at FROM generate_series(1, :count) AS n"""


@pytest.mark.postgresql_only
@pytest.mark.parametrize("volume", VOLUME)
def test_a_heap_goes_in_small_transactions_that_several_workers_share(
    app: Flask, portal: Portal, clock: FrozenClock, volume: int
) -> None:
    """None holds its rows for longer than a batch takes; together they remove each row once and leave none."""
    db.session.execute(text(EXPIRED), {"portal": portal.id, "at": clock.now(), "count": volume})
    db.session.commit()
    late, batches, lock = clock.now() + SECOND, list[int](), threading.Lock()

    def deleted(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("DELETE FROM access_token WHERE access_token.id IN") and cursor.rowcount:
            with lock:
                batches.append(cursor.rowcount)

    def work() -> None:
        with app.app_context():
            while clean(late).is_unfinished:
                pass

    event.listen(db.engine, "after_cursor_execute", deleted)
    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=300)
    assert sum(batches) == volume
    assert max(batches) <= housekeeping.BATCH
    assert count(AccessToken) == 0


@pytest.mark.no_database
def test_whatever_expires_is_removed_or_kept_for_a_reason() -> None:
    """A new table with an end needs a heap here, or a word why its rows stay."""
    cleaned = {column.class_.__tablename__ for column, _, _ in housekeeping.EXPIRING} | {"oauth_grant"}
    ending = {name for name, table in Base.metadata.tables.items() if "expires_at" in table.columns}
    stay = {
        "registration_code",  # whose code it was is asked for years later
        "outbox_message",  # goes once it is settled
    }
    assert ending - cleaned == stay
