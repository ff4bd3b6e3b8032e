"""The options of `connect portal`: one for each field of a portal, files of fields, and fields to be emptied."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar, get_origin

import click
from pydantic.fields import FieldInfo

from idp.cli.context import fail
from idp.cli.portal_help import HELP
from idp.models.portal import Portal
from idp.services.portal_details import PortalDetails

F = TypeVar("F", bound=Callable[..., Any])
FIELDS = PortalDetails.model_fields
LANGUAGES = ("fr", "de", "it", "en")
IN_LANGUAGES = {"names": "name", "hours": "hours"}
APART = {"slug", "jwks", "logo_svg", "texts", *IN_LANGUAGES}  # said in another way than by an option of their own name


def _is_list(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is list


def options_for(names: Iterable[str]) -> Callable[[F], F]:
    """One option for each of these fields, `--from` for a file of them, `--unset` for what shall be empty again."""
    wanted = list(names)

    def add(command: F) -> F:
        for name in reversed(wanted):
            if name not in APART:
                command = _option(name, FIELDS[name])(command)
        for name, option in IN_LANGUAGES.items():
            for language in reversed(LANGUAGES if name in wanted else ()):
                command = click.option(f"--{option}-{language}", f"{name}_{language}", help=HELP[name])(command)
        path = click.Path(exists=True, dir_okay=False, path_type=Path)
        if "jwks" in wanted:
            command = click.option("--jwks", type=path, help="file with the portal's public JWK Set")(command)
        if "texts" in wanted:
            command = click.option("--texts", type=path, help=HELP["texts"])(command)
        if "logo_svg" in wanted:
            command = click.option("--logo-svg", type=path, help=HELP["logo_svg"])(command)
        empty = click.Choice([name for name in wanted if not FIELDS[name].is_required()])
        command = click.option(
            "--unset", type=empty, metavar="FIELD", multiple=True, help="empty, or back to its default; may be repeated"
        )(command)
        return click.option("--from", "file", type=path, help="JSON file with these fields; options win over it")(
            command
        )

    return add


def _option(name: str, field: FieldInfo) -> Callable[[F], F]:
    option = name.replace("_", "-")
    if field.annotation is bool:
        return click.option(f"--{option}/--no-{option}", name, default=None, help=HELP[name])
    if _is_list(field):
        return click.option(f"--{option.removesuffix('s')}", name, multiple=True, help=HELP[name])
    return click.option(f"--{option}", name, help=HELP[name])


def given(options: dict[str, Any], known: Portal | None = None) -> dict[str, Any]:
    """The fields that were said, by file and by options."""
    file, unset = options.pop("file"), options.pop("unset")
    said = _read_json(file) if file is not None else {}
    said |= {name: FIELDS[name].get_default(call_default_factory=True) for name in unset}
    for name in ("jwks", "texts"):
        if options.get(name) is not None:
            options[name] = _read_json(options[name])
    if options.get("logo_svg") is not None:
        options["logo_svg"] = _read_text(options["logo_svg"])
    for name, value in options.items():
        if name in FIELDS and value not in (None, ()):
            said[name] = list(value) if isinstance(value, tuple) else value
    for name in IN_LANGUAGES:
        texts = {language: text for language in LANGUAGES if (text := options.get(f"{name}_{language}"))}
        before = said.get(name, {})
        if texts and not isinstance(before, dict):
            fail(f"{name}: must be an object with the keys fr, de, it, en")
        if texts:
            said[name] = {**(getattr(known, name) if known else {}), **before, **texts}
    return said


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except ValueError:
        fail(f"{path} is no text in UTF-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        fail(f"{path} is no JSON")
    if not isinstance(found, dict):
        fail(f"{path} is no JSON object")
    return dict(found)
