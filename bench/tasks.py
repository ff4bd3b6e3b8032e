"""The calls that are measured: what is sent, what a right answer is, and the least ratios to the peers that we want."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import requests
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from bench.load import Call
from bench.sides import SCOPE, Side
from tests.support.relying_party import VERIFIER, answer_of, challenge

VALUE = "VALUE"
OIDC_PROVIDER, DJANGO = "oidc-provider", "django-oauth-toolkit"
DURABLE = "oidc-provider, durable"  # as we lose nothing: its Redis answers once what was told lies on disk
BROWSERS = 100  # that are signed in; two requests of one browser at once would wait for each other
HALF = 0.5  # of the slowest hundredth of oidc-provider


@dataclass(frozen=True)
class Task:
    """One kind of call. `needs` names what each request spends or, where `shared` says how many, all use in turn."""

    name: str
    endpoint: str
    targets: dict[str, float]  # least ratio, by the name of the other side
    body: dict[str, str] | None = None
    needs: str = ""
    shared: int = 0
    is_bearer: bool = False
    is_signed: bool = False  # an ID token is in the answer
    writes: bool = False
    status: int = 200


CODE = {"grant_type": "authorization_code", "code": VALUE, "code_verifier": VERIFIER}
REFRESH = {"grant_type": "refresh_token", "refresh_token": VALUE}
ASKED = {
    "response_type": "code", "scope": SCOPE.replace(" offline_access", ""), "state": "s", "nonce": "n",
    "code_challenge": challenge(), "code_challenge_method": "S256",
}  # fmt: skip
CALLS: dict[str, tuple[Task, ...]] = {
    "exchange": (
        Task("exchange", "token", {OIDC_PROVIDER: 1.3, DJANGO: 3}, CODE, needs="code", is_signed=True, writes=True),
    ),
    "refresh": (
        Task("refresh", "token", {OIDC_PROVIDER: 1.2}, REFRESH, needs="refresh", is_signed=True, writes=True),
    ),
    "credentials": (
        Task("credentials", "token", {OIDC_PROVIDER: 1.2}, {"grant_type": "client_credentials"}, writes=True),
    ),
    "userinfo": (Task("userinfo", "userinfo", {OIDC_PROVIDER: 1.2}, needs="access", shared=1, is_bearer=True),),
    "introspect": (
        Task("introspect", "introspect", {OIDC_PROVIDER: 1.2}, {"token": VALUE}, needs="access", shared=1),
    ),
    "par": (Task("par", "par", {OIDC_PROVIDER: 1.2}, ASKED, status=201, writes=True),),
    "authorize": (Task("authorize", "authorize", {OIDC_PROVIDER: 1.2}, needs="session", shared=BROWSERS, writes=True),),
    "static": (
        Task("discovery", "discovery", {OIDC_PROVIDER: 1.0}), Task("keys", "jwks", {OIDC_PROVIDER: 1.0}),
    ),
}  # fmt: skip


def call(task: Task, side: Side, algorithm: str, value: str = VALUE) -> Call:
    """The request of this side's portal, with a value or with its place."""
    client, path, body, authorization = side.client(algorithm), side.paths[task.endpoint], "", ""
    named = {"client_id": client.client_id, "redirect_uri": client.redirect_uri}
    if task.body is not None:
        form = {name: said.replace(VALUE, value) for name, said in task.body.items()}
        body = urlencode(form | (named if task.needs == "code" or task.name == "par" else {}))
        authorization = client.basic
    if task.is_bearer:
        authorization = f"Bearer {value}"
    if task.name != "authorize":
        return Call("GET" if task.body is None else "POST", path, authorization, body)
    query = urlencode({**ASKED, **named})
    return Call("GET", f"{path}?{query}", cookie=value, shows="code=")


def look(task: Task, side: Side, algorithm: str, value: str) -> None:
    """Ask once, outside the measurement. Raises `RuntimeError` where the answer is not what it is taken for."""
    asked = call(task, side, algorithm, value)
    headers = {"Authorization": asked.authorization, "Cookie": asked.cookie}
    if asked.body:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    answer = requests.request(
        asked.method, side.origin + asked.path, data=asked.body or None, timeout=30, allow_redirects=False,
        headers={name: said for name, said in headers.items() if said}, verify=side.certificate,
    )  # fmt: skip
    try:
        is_right = _is_right(task, side, algorithm, value, answer)
    except (KeyError, ValueError, TypeError, JoseError) as error:
        raise RuntimeError(_wrong(task, side, answer)) from error
    if not is_right:
        raise RuntimeError(_wrong(task, side, answer))


def _wrong(task: Task, side: Side, answer: requests.Response) -> str:
    told = f"{answer.status_code} {answer.headers.get('Location', '')} {answer.text[:1000]}"
    return f"{task.name} was answered wrongly by {side.name}: {told}"


def _is_right(task: Task, side: Side, algorithm: str, value: str, answer: requests.Response) -> bool:
    if task.name == "authorize":
        given = answer_of(answer.headers["Location"])
        return answer.is_redirect and bool(given["code"]) and given["state"] == ASKED["state"]
    if answer.status_code != task.status:
        return False
    told: dict[str, Any] = answer.json()
    match task.name:
        case "exchange" | "refresh":
            _verify(told["id_token"], side, algorithm)
            return _is_opaque(told["access_token"]) and told["refresh_token"] not in {"", value}
        case "credentials":
            return _is_opaque(told["access_token"]) and told["token_type"].lower() == "bearer"
        case "userinfo":
            return bool(told["sub"]) and {told["family_name"], told["email_verified"]} == {"Müller", True}
        case "introspect":
            return told["active"] is True and told["client_id"] == side.client(algorithm).client_id
        case "par":
            return str(told["request_uri"]).startswith("urn:") and told["expires_in"] > 0
        case "discovery":
            return bool(told["token_endpoint"] == side.origin + side.paths["token"])
    return bool(told["keys"][0]["kid"])


def _is_opaque(token: str) -> bool:
    return bool(token) and "." not in token


def _keys(side: Side) -> Any:
    return requests.get(side.origin + side.paths["jwks"], timeout=30, verify=side.certificate).json()


def _verify(id_token: str, side: Side, algorithm: str) -> None:
    """Raises `ValueError` unless it is this provider's word to this portal, signed as agreed."""
    keys = KeySet.import_key_set(_keys(side))
    claims = jwt.decode(id_token, keys, algorithms=[algorithm]).claims
    audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if not claims["iss"].startswith(side.origin) or side.client(algorithm).client_id not in audience:
        raise ValueError("an ID token of somebody else")
