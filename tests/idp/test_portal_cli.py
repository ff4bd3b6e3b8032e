"""`connect portal`: what is added can be shown, changed, emptied and read in again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from joserfc.jwk import ECKey

from idp.cli.main import main

FILE = {
    "slug": "cpx", "names": {"fr": "Caisse X", "de": "Kasse X"}, "short_name": "Caisse X", "phone": "058 123 45 67",
    "email": "aide@cpx.example.ch", "home_url": "https://cpx.example.ch/",
    "redirect_uris": ["https://cpx.example.ch/callback"],
}  # fmt: skip


class Connect:
    """The command on an installation of its own."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.environment, self.folder = environment, folder
        self("db", "upgrade")

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, list(arguments), env=self.environment)

    def __call__(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.output

    def file(self, document: Any, name: str = "portal.json") -> str:
        path = self.folder / name
        path.write_text(json.dumps(document))
        return str(path)

    def fields(self, slug: str = "cpx") -> dict[str, Any]:
        shown: dict[str, Any] = json.loads(self("portal", "show", slug))
        return shown


@pytest.fixture
def connect(environment: dict[str, str], tmp_path: Path) -> Connect:
    return Connect(environment, tmp_path)


def test_what_is_shown_can_be_read_in_again(connect: Connect) -> None:
    connect(
        "portal", "add", "--from", connect.file(FILE), "--resource", "https://api.example.ch/", "--require-par",
        "--default-max-age", "3600", "--post-logout-redirect-uri", "https://cpx.example.ch/bye", "--hours-fr", "8-17",
        "--backchannel-logout-uri", "https://cpx.example.ch/out", "--default-acr-value", "phr", "--scope", "openid",
    )  # fmt: skip
    before = connect.fields()
    assert (before["default_max_age"], before["require_par"], before["scopes"]) == (3600, True, ["openid"])
    connect("portal", "update", "cpx", "--from", connect.file(before))
    assert connect.fields() == before
    connect("portal", "add", "--from", connect.file(before), "--slug", "copy")
    assert connect.fields("copy") == before | {"slug": "copy"}


def test_lists_are_emptied_and_fields_unset(connect: Connect) -> None:
    connect(
        "portal", "add", "--from", connect.file(FILE), "--post-logout-redirect-uri", "https://cpx.example.ch/bye",
        "--tos-uri", "https://cpx.example.ch/terms", "--hours-fr", "8-17", "--scope", "openid", "--require-par",
    )  # fmt: skip
    unset = ("post_logout_redirect_uris", "tos_uri", "hours", "scopes", "require_par", "sector_identifier")
    connect("portal", "update", "cpx", *(word for name in unset for word in ("--unset", name)))
    after = connect.fields()
    assert (after["post_logout_redirect_uris"], after["tos_uri"], after["hours"]) == ([], None, {})
    assert (len(after["scopes"]), after["require_par"], after["sector_identifier"]) == (6, False, "cpx.example.ch")
    assert connect.run("portal", "update", "cpx", "--unset", "slug").exit_code != 0
    told = connect.run("portal", "update", "cpx", "--unset", "redirect_uris")
    assert (told.exit_code, told.stderr.split(":")[0]) == (1, "redirect_uris")


def test_names_and_hours_are_said_language_by_language(connect: Connect) -> None:
    connect("portal", "add", "--from", connect.file(FILE))
    connect("portal", "update", "cpx", "--name-it", "Cassa X", "--hours-de", "8-17")
    assert connect.fields()["names"] == {"fr": "Caisse X", "de": "Kasse X", "it": "Cassa X"}
    assert connect.fields()["hours"] == {"de": "8-17"}


def test_a_change_of_profile_brings_what_the_profile_decides(connect: Connect) -> None:
    connect("portal", "add", "--from", connect.file(FILE))
    told = connect.run("portal", "update", "cpx", "--security-profile", "fapi2")
    assert [line.split(":")[0] for line in told.stderr.splitlines()] == [
        "token_endpoint_auth_method", "dpop_bound_access_tokens",
    ]  # fmt: skip
    keys = {"keys": [ECKey.generate_key("P-256", private=True).as_dict(private=False)]}
    connect(
        "portal", "update", "cpx", "--security-profile", "fapi2", "--dpop-bound-access-tokens",
        "--token-endpoint-auth-method", "private_key_jwt", "--jwks", connect.file(keys, "jwks.json"),
        "--id-token-signed-response-alg", "ES256",
    )  # fmt: skip
    after = connect.fields()
    assert (after["require_par"], after["refresh_rotation"], after["jwks"]) == (True, False, keys)
    assert after["id_token_signed_response_alg"] == "ES256"  # said, so it wins
    connect("portal", "update", "cpx", "--place", "Bern")
    assert connect.fields()["id_token_signed_response_alg"] == "ES256"


def test_a_secret_is_there_exactly_where_the_method_has_one(connect: Connect) -> None:
    made = json.loads(connect("portal", "add", "--from", connect.file(FILE), "--json"))
    assert made["client_secret"].startswith("cc_cs_")
    keys = {"keys": [ECKey.generate_key("P-256", private=True).as_dict(private=False)]}
    by_key = ("--token-endpoint-auth-method", "private_key_jwt", "--jwks", connect.file(keys, "jwks.json"))
    assert "client_secret" not in connect("portal", "update", "cpx", *by_key)
    assert connect.run("portal", "secret", "cpx").exit_code == 1
    again = connect("portal", "update", "cpx", "--token-endpoint-auth-method", "client_secret_post", "--unset", "jwks")
    assert "client_secret  cc_cs_" in again
    assert "client_secret" not in connect("portal", "update", "cpx", "--place", "Bern")
    assert "client_secret" in connect("portal", "add", "--from", connect.file(FILE), "--slug", "other")
    assert "client_secret" not in connect("portal", "add", "--from", connect.file(FILE), "--slug", "keys", *by_key)


def test_faults_end_with_words(connect: Connect) -> None:
    broken = connect.folder / "broken.json"
    broken.write_text("{")
    assert connect.run("portal", "add", "--from", str(broken)).stderr == f"{broken} is no JSON\n"
    assert connect.run("portal", "add", "--from", connect.file([1])).exit_code == 1
    assert connect.run("portal", "update", "cpx", "--place", "Bern").exit_code == 1
    connect("portal", "add", "--from", connect.file(FILE))
    assert "perhaps a disabled one" in connect.run("portal", "add", "--from", connect.file(FILE)).stderr
    assert connect.run("portal", "update", "cpx").exit_code == 1
    assert "cannot be changed" in connect.run("portal", "update", "cpx", "--from", connect.file({"slug": "x1"})).stderr
    assert connect("portal", "disable", "cpx")
    assert "(disabled)" in connect("portal", "list")
    assert json.loads(connect("portal", "list", "--json"))[0]["disabled"] is True


def test_an_operator_invites_a_developer(connect: Connect) -> None:
    described = [name for name in FILE if name != "redirect_uris"]
    file = connect.file({name: FILE[name] for name in described})
    printed = connect("portal", "invite", "--from", file, "--consent", "--publisher", "App AG", "--valid-days", "3")
    assert "registration_endpoint  http://localhost:8000/register\n" in printed
    assert "initial_access_token   cc_iat_" in printed
    told = connect.run("portal", "invite", "--from", connect.file(FILE, "whole.json")).stderr
    assert told == "redirect_uris: is for the portal's developer to say\n"
    assert connect.run("portal", "invite", "--from", file, "--redirect-uri", "https://cpx.example.ch/").exit_code == 2
    assert connect.run("portal", "invite", "--from", file, "--valid-days", "400").exit_code == 2
    assert "initial_access_token" in connect("portal", "invite", "--from", file, "--slug", "other")


def test_a_developer_gets_an_address_to_test_with(connect: Connect) -> None:
    connect("portal", "add", "--from", connect.file(FILE))
    assert connect("portal", "test", "cpx").startswith("http://localhost:8000/selftest/cpx.")
    connect("portal", "disable", "cpx")
    assert connect.run("portal", "test", "cpx").stderr == "portal cpx is disabled\n"
