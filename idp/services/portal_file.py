"""The file of `connect config`: portals and settings in YAML, read strictly, every fault with its line.

A field that is not there has its default; no tags, anchors or aliases, no key twice, and no secret ever.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from idp.errors import BadInput
from idp.services.portal_details import PortalDetails

VERSION = 1
LARGEST = 4 * 1024 * 1024
FIELDS = tuple(name for name in PortalDetails.model_fields if name != "slug")
DISABLED = "disabled"
SETTINGS = "settings"
TOP = ("version", SETTINGS, "portals")
HEAD = "# Made by and read by `connect config`. A field of a portal that is not here has its default.\n"


class _Plain(yaml.SafeDumper):  # type: ignore[misc]
    """Writes everything out: what is not read is not written either."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


@dataclass
class PortalFile:
    """The fields of each portal as they were written, the settings if there are any, and where each thing stands."""

    portals: dict[str, dict[str, Any]]
    lines: dict[tuple[str, ...], int] = field(default_factory=dict)
    settings: dict[str, str] | None = None

    def line_of(self, *path: str) -> int:
        """Of the nearest thing above that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read(text: str) -> PortalFile:
    """Raises `BadInput` with every fault, one a line."""
    document, lines, faults = _document(text)
    if not isinstance(document, dict):
        raise BadInput("line 1: the file must begin with `version: 1` and `portals:`")
    made = PortalFile({}, lines)
    faults += [f"line {made.line_of(name)}: {name}: is not known" for name in document if name not in TOP]
    if document.get("version") != VERSION:
        faults.append(f"line {made.line_of('version')}: version: must be {VERSION}")
    faults += _read_settings(document, made)
    portals = document.get("portals")
    if not isinstance(portals, dict):
        faults.append(f"line {made.line_of('portals')}: portals: must be fields by slug")
        portals = {}
    for slug, values in portals.items():
        if not isinstance(values, dict):
            faults.append(f"line {made.line_of('portals', slug)}: portals.{slug}: must be fields and their values")
            continue
        for name in values:
            if name not in {*FIELDS, DISABLED}:
                faults.append(f"line {made.line_of('portals', slug, name)}: portals.{slug}.{name}: is not known")
        if not isinstance(values.get(DISABLED, False), bool):
            line = made.line_of("portals", slug, DISABLED)
            faults.append(f"line {line}: portals.{slug}.disabled: must be true or false")
        made.portals[slug] = values
    if faults:
        raise BadInput("\n".join(faults))
    return made


def _read_settings(document: dict[str, Any], made: PortalFile) -> list[str]:
    """The part of the settings, whose values are as in the environment; what is wrong with it."""
    if SETTINGS not in document:
        return []
    given = document[SETTINGS]
    if not isinstance(given, dict):
        return [f"line {made.line_of(SETTINGS)}: {SETTINGS}: must be values by the name of the setting"]
    made.settings = {name: str(value) for name, value in given.items()}
    return [
        f"line {made.line_of(SETTINGS, name)}: {SETTINGS}.{name}: must be one value, as in the environment"
        for name, value in given.items()
        if not isinstance(value, str | int | float) or isinstance(value, bool)
    ]


def write(portals: dict[str, dict[str, Any]], settings: dict[str, str] | None = None) -> str:
    """The file; reading it gives the same again."""
    document = {"version": VERSION, **({} if settings is None else {SETTINGS: settings}), "portals": portals}
    body: str = yaml.dump(document, Dumper=_Plain, allow_unicode=True, sort_keys=False, width=110)
    return HEAD + body


def _document(text: str) -> tuple[Any, dict[tuple[str, ...], int], list[str]]:
    if len(text) > LARGEST:
        raise BadInput(f"the file is larger than {LARGEST // 1024 // 1024} MB")
    try:
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            if isinstance(token, yaml.AnchorToken | yaml.AliasToken | yaml.TagToken):
                raise BadInput(f"line {token.start_mark.line + 1}: anchors, aliases and tags are not allowed")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        lines, faults = dict[tuple[str, ...], int](), list[str]()
        if node is not None:
            _walk(node, (), lines, faults)
        return yaml.safe_load(text), lines, faults
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadInput(f"line {line}: {error.problem or 'is no YAML'}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadInput(f"the file is no YAML that can be read: {type(error).__name__}") from None


def _walk(node: Any, path: tuple[str, ...], lines: dict[tuple[str, ...], int], faults: list[str]) -> None:
    """Where everything stands, and keys that are no words or stand twice."""
    if isinstance(node, yaml.SequenceNode):
        for number, one in enumerate(node.value):
            _walk(one, (*path, str(number)), lines, faults)
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
            faults.append(f"line {line}: a key must be a word; quote it")
            continue
        here = (*path, key.value)
        if here in lines:
            faults.append(f"line {line}: {'.'.join(here)}: stands twice, before on line {lines[here]}")
        lines[here] = line
        _walk(value, here, lines, faults)
