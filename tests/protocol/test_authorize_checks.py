"""Every check behind the proved redirect address answers the portal by name, with its state and our issuer."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.support.person import ISSUER, Person
from tests.support.relying_party import RelyingParty, answer_of

UNREACHABLE = '{"id_token": {"acr": {"essential": true, "value": "loa4"}}}'


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"response_type": None}, "invalid_request", "response_type is missing"),
        ({"response_type": "id_token"}, "unsupported_response_type", "response_type must be code"),
        ({"response_mode": "fragment"}, "invalid_request", "response_mode must be one of"),
        ({"scope": None}, "invalid_scope", "scope must contain openid"),
        ({"scope": "openid\u00e9"}, "invalid_scope", "characters that are not allowed"),
        ({"nonce": "n" * 513}, "invalid_request", "nonce is longer than 512 characters"),
        ({"display": "d" * 201}, "invalid_request", "display is longer than 200 characters"),
        ({"registration": "{}"}, "registration_not_supported", "registration is not supported"),
        ({"code_challenge": None}, "invalid_request", "code_challenge is required"),
        ({"prompt": "login unheard-of"}, "invalid_request", "prompt has a value that is not supported"),
        ({"prompt": "none create"}, "invalid_request", "prompt=none stands alone"),
        ({"max_age": "1.5"}, "invalid_request", "max_age must be a whole number of seconds"),
        ({"max_age": ""}, "invalid_request", "max_age must be a whole number of seconds"),
        ({"resource": "https://other.example/"}, "invalid_target", "registered resources"),
        ({"dpop_jkt": "A" * 42}, "invalid_request", "dpop_jkt must be 43 characters"),
        ({"claims": "5"}, "invalid_request", "claims is no object"),
        ({"id_token_hint": "x.y.z"}, "invalid_request", "id_token_hint is not an ID token"),
        ({"claims": UNREACHABLE}, "unmet_authentication_requirements", "cannot be reached here"),
    ],
)
def test_each_fault_has_its_name(
    web: Flask, rp: RelyingParty, changes: dict[str, str | None], error: str, words: str
) -> None:
    stranger = Person(web)
    stranger.open(rp.request(**changes))
    answer = answer_of(stranger.address)
    assert (answer["error"], answer["state"], answer["iss"]) == (error, "s-1", ISSUER)
    assert words in answer["error_description"]
    assert set(answer) == {"error", "error_description", "state", "iss"}


def test_the_first_fault_of_several_is_told_and_state_comes_back_though_it_is_at_fault(
    web: Flask, rp: RelyingParty
) -> None:
    stranger = Person(web)
    stranger.open(rp.request(state="x" * 4097, scope="email"))
    answer = answer_of(stranger.address)
    assert (answer["error_description"], answer["state"]) == ("state is longer than 4096 characters", "x" * 4097)
