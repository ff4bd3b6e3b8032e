"""`connect portal`: the relying parties."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from idp.cli.context import at_work, fail
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.portals import PortalDetails

F = TypeVar("F", bound=Callable[..., Any])
LISTS = (
    "redirect_uris", "post_logout_redirect_uris", "scopes", "factors", "grant_types", "resources", "allowed_acr",
    "default_acr_values",
)  # fmt: skip
SINGLE = (
    "short_name", "place", "phone", "email", "brand_color", "home_url", "code_life_days", "second_item",
    "letter_window", "initiate_login_uri", "token_endpoint_auth_method", "token_endpoint_auth_signing_alg",
    "assertion_audience", "id_token_signed_response_alg", "subject_type", "sector_identifier", "sector_identifier_uri",
    "security_profile", "jwks_uri", "tls_client_auth_subject_dn", "tls_client_auth_san_dns",
    "request_object_signing_alg", "authorization_signed_response_alg", "introspection_signed_response_alg",
    "access_token_format", "default_max_age", "backchannel_logout_uri", "publisher", "policy_uri", "tos_uri",
)  # fmt: skip
FLAGS = (
    "require_pkce", "require_par", "require_signed_request_object", "dpop_bound_access_tokens",
    "tls_client_certificate_bound_access_tokens", "refresh_rotation", "backchannel_logout_session_required", "consent",
    "verified_claims",
)  # fmt: skip


def _fields(command: F) -> F:
    """One option for each field of a portal."""
    for name in reversed(SINGLE):
        command = click.option(f"--{name.replace('_', '-')}", name)(command)
    for name in reversed(LISTS):
        option = f"--{name.removesuffix('s').replace('_', '-')}"
        command = click.option(option, name, multiple=True, help="may be repeated")(command)
    for language in ("en", "it", "de", "fr"):
        command = click.option(f"--hours-{language}", f"hours_{language}", help="opening hours")(command)
        command = click.option(f"--name-{language}", f"names_{language}", help="name in this language")(command)
    for name in reversed(FLAGS):
        option = name.replace("_", "-")
        command = click.option(f"--{option}/--no-{option}", name, default=None)(command)
    path = click.Path(exists=True, dir_okay=False, path_type=Path)
    command = click.option("--jwks", "jwks", type=path, help="file with the portal's public JWK Set")(command)
    return click.option("--from", "file", type=path, help="JSON file with these fields; options win over it")(command)


def _given(options: dict[str, Any], known: Portal | None = None) -> dict[str, Any]:
    """The fields that were said, by file and by options."""
    file, given = options.pop("file"), {}
    if file is not None:
        given = _read_json(file)
    if options.get("jwks") is not None:
        given["jwks"] = _read_json(options["jwks"])
    for name in (*SINGLE, *FLAGS):
        if options[name] is not None:
            given[name] = options[name]
    given |= {name: list(options[name]) for name in LISTS if options[name]}
    for group in ("names", "hours"):
        said = {
            language: options[f"{group}_{language}"]
            for language in ("fr", "de", "it", "en")
            if options[f"{group}_{language}"]
        }
        if said:
            given[group] = {**(getattr(known, group) if known else {}), **given.get(group, {}), **said}
    return given


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        fail(f"{path} is no JSON")
    if not isinstance(found, dict):
        fail(f"{path} is no JSON object")
    return dict(found)


@click.group()
def portal() -> None:
    """Portals: the relying parties persons sign in to."""


@portal.command(
    epilog="Example: connect portal add --slug cpx --name-fr 'Caisse X' --short-name 'Caisse X' "
    "--phone '058 123 45 67' --email aide@cpx.example.ch --home-url https://cpx.example.ch/ --redirect-uri https://cpx.example.ch/callback"
)
@click.option("--slug", help="stands in addresses and on letters, never changes")
@_fields
@click.option("--json", "as_json", is_flag=True, help="answer as JSON")
def add(slug: str | None, as_json: bool, **options: Any) -> None:
    """Register a portal. Its client secret is shown this once."""
    given = _given(options)
    if slug is not None:
        given["slug"] = slug
    with at_work() as bundle:
        made, secret = bundle.portals.add(given)
        db.session.commit()
        shown = {"slug": made.slug, "client_id": made.client_id, "client_secret": secret}
        if as_json:
            click.echo(json.dumps(shown))
            return
        click.echo(f"portal {made.slug} registered\nclient_id      {made.client_id}")
        if secret:
            click.echo(
                f"client_secret  {secret}\nThe secret is shown this once; `connect portal secret` makes a new one."
            )


@portal.command("list", epilog="Example: connect portal list")
@click.option("--json", "as_json", is_flag=True, help="answer as JSON")
def show_all(as_json: bool) -> None:
    """Every portal."""
    with at_work() as bundle:
        rows = [
            {"slug": row.slug, "client_id": row.client_id, "name": row.names["fr"], "disabled": row.is_disabled}
            for row in bundle.portals.all()
        ]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        click.echo(f"{row['slug']:20} {row['client_id']:40} {row['name']}{' (disabled)' if row['disabled'] else ''}")


@portal.command(epilog="Example: connect portal show cpx")
@click.argument("slug")
def show(slug: str) -> None:
    """Everything about one portal but its secret, as JSON that `--from` reads."""
    with at_work() as bundle:
        row = bundle.portals.load(slug)
        fields = {name: getattr(row, name) for name in PortalDetails.model_fields}
        click.echo(json.dumps(fields, ensure_ascii=False, indent=2))


@portal.command(epilog="Example: connect portal update cpx --phone '058 765 43 21' --code-life-days 60")
@click.argument("slug")
@_fields
def update(slug: str, **options: Any) -> None:
    """Change a portal; what is not said stays."""
    with at_work() as bundle:
        changes = _given(options, bundle.portals.load(slug))
        if not changes:
            fail("say what shall change; `connect portal update --help` lists the fields")
        bundle.portals.update(slug, changes)
        db.session.commit()
        click.echo(f"portal {slug} changed")


@portal.command(epilog="Example: connect portal secret cpx")
@click.argument("slug")
def secret(slug: str) -> None:
    """Make a new client secret and show it this once; the old one is void at once."""
    with at_work() as bundle:
        fresh = bundle.portals.renew_secret(slug)
        db.session.commit()
        click.echo(fresh)


@portal.command(epilog="Example: connect portal disable cpx")
@click.argument("slug")
def disable(slug: str) -> None:
    """Close a portal: nobody signs in to it any more; its records stay."""
    with at_work() as bundle:
        bundle.portals.disable(slug)
        db.session.commit()
        click.echo(f"portal {slug} is disabled")
