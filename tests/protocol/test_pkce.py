"""PKCE (RFC 7636) by itself: which challenges an authorization request may have, and which verifiers answer them."""

from __future__ import annotations

import pytest

from idp.errors import ProtocolError
from idp.protocol.pkce import check_challenge, check_verifier
from tests.support.relying_party import VERIFIER, challenge

RIGHT = challenge()


@pytest.mark.parametrize("required", [True, False])
def test_s256_with_its_challenge_is_fine(required: bool) -> None:
    check_challenge(RIGHT, "S256", required=required)


def test_a_portal_that_is_exempt_may_leave_it_out() -> None:
    check_challenge(None, None, required=False)
    check_verifier(None, None)


@pytest.mark.parametrize(
    ("value", "method", "required", "words"),
    [
        (None, None, True, "is required"),
        (None, "S256", True, "is required"),
        (None, "S256", False, "without code_challenge"),
        (RIGHT, None, False, "must be S256"),
        (RIGHT, "plain", False, "must be S256"),
        (RIGHT, "s256", False, "must be S256"),
        (RIGHT, "", False, "must be S256"),
        ("", "S256", False, "43 characters"),
        (RIGHT[:-1], "S256", False, "43 characters"),
        (RIGHT + "A", "S256", False, "43 characters"),
        (RIGHT + "\n", "S256", False, "43 characters"),
        (RIGHT[:-1] + "=", "S256", False, "43 characters"),
        ("é" * 43, "S256", False, "43 characters"),
    ],
)
def test_everything_else_is_refused(value: str | None, method: str | None, required: bool, words: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        check_challenge(value, method, required=required)
    assert caught.value.code == "invalid_request"
    assert words in caught.value.description


def test_the_verifier_answers_its_own_challenge() -> None:
    check_verifier(RIGHT, VERIFIER)
    long = "a.b_c~d-" * 16
    check_verifier(challenge(long), long)


@pytest.mark.parametrize(
    ("value", "verifier"),
    [
        (RIGHT, None), (RIGHT, ""), (RIGHT, "w" * 43), (RIGHT, RIGHT), (RIGHT, VERIFIER[:-1]), (RIGHT, VERIFIER + "\n"),
        (RIGHT, "é" * 43), (challenge("v" * 42), "v" * 42), (challenge("v" * 129), "v" * 129),
        (None, VERIFIER), (None, ""),
    ],
)  # fmt: skip
def test_no_other_verifier_does(value: str | None, verifier: str | None) -> None:
    with pytest.raises(ProtocolError) as caught:
        check_verifier(value, verifier)
    assert caught.value.code == "invalid_grant"
