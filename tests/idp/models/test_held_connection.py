"""A prepared statement runs where the session's own would: on the connection of its transaction, while that is good."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import literal, select
from sqlalchemy.exc import IntegrityError, PendingRollbackError

from idp.models.base import connection_of_transaction as connection
from idp.models.base import db
from idp.models.flow import Submission
from idp.models.portal import Portal
from idp.models.prepared import Prepared

ONE = Prepared(select(literal(1).label("one")))


def test_a_transaction_has_one_connection_and_the_next_another_turn(app: Flask, portal: Portal) -> None:
    first = connection()
    assert connection() is first is db.session.connection()
    portal.phone = "031 000 00 00"
    db.session.flush()
    assert connection() is first
    with db.session.begin_nested():
        assert connection() is first
    assert connection() is first
    db.session.commit()
    assert not db.session().in_transaction()
    assert ONE.first().one == 1
    assert db.session().in_transaction()


def test_after_a_flush_that_failed_nothing_runs_before_the_rollback(app: Flask, portal: Portal) -> None:
    assert ONE.first().one == 1
    db.session.add(Submission(run_id=portal.id, nonce="n"))  # there is no such walk
    with pytest.raises(IntegrityError):
        db.session.flush()
    with pytest.raises(PendingRollbackError):
        ONE.first()
    db.session.rollback()
    assert ONE.first().one == 1
