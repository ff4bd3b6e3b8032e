"""Documents do not lie: every command, file and setting they name exists, and generated parts are fresh."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from flask import Flask

from docs import configuration, roles
from idp.cli.main import main
from idp.setting_faults import PREFIX
from idp.settings import Settings
from tests.house.tree import ROOT, texts, tracked

DOCUMENTS = {name: content for name, content in texts() if name.endswith(".md")}
FILE = re.compile(
    r"`((?:[\w.*-]+/)*[\w.*-]+\.(?:py|md|po|html|svg|csv|txt|lock|toml|typ|woff2)|(?:[\w.*-]+/)+)(?: [A-Z]+)?`"
)
# What an operator makes, or what stands in a document as an example.
NOT_OURS = {"persons.csv", "letters-01.pdf", "NNNN_verb_object.py", "idp/migrations/versions/NNNN_verb_object.py"}
ROUTE = re.compile(r"`(/[a-z.-]+(?:/[a-z.-]+)*)`")
DEV_COMMANDS = {"demo", "cluster", "test", "check", "bench"}


def typed(content: str) -> Iterator[str]:
    """Every line of a code block, with continued lines joined, and every piece of code within a sentence."""
    for block in re.findall(r"(?:^(?:    .*|)\n)+", content, flags=re.MULTILINE):
        yield from re.sub(r"\\\n\s*", " ", block).splitlines()
    without_blocks = re.sub(r"^(?:    .*|```.*?```)$", "", content, flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"`([^`\n]+)`", without_blocks)


def commands(content: str) -> Iterator[list[str]]:
    """The words after `connect` of every command that a document shows."""
    for line in typed(content):
        line = re.split(r"\s#\s|\s&&\s|\s>\s", line.strip().rstrip(";,."))[0].strip()
        words = shlex.split(line) if line.count("'") % 2 == 0 else line.split()
        if words and words[0] in {"connect", "/srv/connect/venv/bin/connect"}:
            yield words[1:]
        elif "connect" in words and "systemd-run" in words:
            yield words[words.index("connect") + 1 :]


def test_there_are_documents() -> None:
    assert {"README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/operations.md"} <= set(DOCUMENTS)
    shown = [command for content in DOCUMENTS.values() for command in commands(content)]
    assert len(shown) >= 25, shown


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_that_a_document_shows_can_be_typed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for made in ("persons.csv", "FILE", "connect.yaml"):
        Path(made).touch()
    Path("imports").mkdir()
    for words in commands(DOCUMENTS[name]):
        command: click.Command = main
        rest = list(words)
        while isinstance(command, click.Group) and rest and not rest[0].startswith("-") and rest[0] != "COMMAND":
            assert rest[0] in command.commands, f"{name}: connect {' '.join(words)}"
            command = command.commands[rest.pop(0)]
        is_whole = len(rest) > 0 and not isinstance(command, click.Group)
        if is_whole and "--help" not in rest:
            command.make_context(" ".join(words), rest)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_file_that_a_document_names_is_there(name: str) -> None:
    known = {str(file.relative_to(ROOT)) for file in tracked()}
    folders = {f"{parent}/" for file in known for parent in map(str, Path(file).parents)}
    for found in FILE.findall(DOCUMENTS[name]):
        if found in NOT_OURS or found.startswith(("/", "letters-0")):
            continue
        pattern = re.compile(re.escape(found).replace(r"\*", "[^/]+"))
        near = Path(name).parent
        assert any(pattern.fullmatch(one) for one in known | folders) or str(near / found) in known, f"{name}: {found}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", DOCUMENTS[name]):
        assert target.startswith("https://") or (ROOT / name).parent.joinpath(target).exists(), f"{name}: {target}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_setting_and_dev_command_that_a_document_names_exists(name: str) -> None:
    content = DOCUMENTS[name]
    for setting in re.findall(rf"\b{PREFIX}([A-Z][A-Z0-9_]+)", content):
        assert setting.lower() in Settings.model_fields, f"{name}: {PREFIX}{setting}"
    for command in re.findall(r"dev\.py (\w+)", content):
        assert command in DEV_COMMANDS, f"{name}: dev.py {command}"


def test_every_route_that_the_documents_name_is_served(web: Flask) -> None:
    rules = {rule.rule for rule in web.url_map.iter_rules()} | {"/demo", "/static/", "/sms"}
    named = {route for content in DOCUMENTS.values() for route in ROUTE.findall(content)}
    assert {route for route in named if not route.startswith(("/etc", "/srv", "/usr"))} - rules == set()


def test_the_table_of_settings_is_fresh() -> None:
    text = configuration.README.read_text(encoding="utf-8")
    assert text == configuration.renewed(text), "renew it: .venv/bin/python -m docs.configuration"
    for name, field in Settings.model_fields.items():
        assert f"| `{PREFIX}{name.upper()}` |" in text
        assert field.description, name


def test_the_table_of_roles_is_the_one_that_is_checked() -> None:
    text = roles.CONSOLE.read_text(encoding="utf-8")
    assert text == roles.renewed(text), "renew it: .venv/bin/python -m docs.roles"


def test_the_first_configuration_of_the_operations_guide_is_a_whole_one() -> None:
    """With its secrets put in."""
    content = DOCUMENTS["docs/operations.md"]
    given = dict(re.findall(rf"^    ({PREFIX}\w+)=(.+)$", content, flags=re.MULTILINE))
    secret = "c2VjcmV0IG9mIHRoZSBpbnN0YWxsYXRpb24gZ3VpZGU"
    settings = Settings.from_environ({name: value.replace("…", secret) for name, value in given.items()})
    assert settings.is_https
    assert not settings.embedded_worker


def test_the_portal_of_the_readme_is_a_flask_application() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENTS["README.md"], flags=re.DOTALL)
    scope: dict[str, object] = {"__name__": "__main__"}
    exec(compile(ast.parse(code), "README.md", "exec"), scope)  # noqa: S102 - our own document
    app = scope["app"]
    assert isinstance(app, Flask)
    assert {rule.rule for rule in app.url_map.iter_rules()} >= {"/login", "/callback"}


def test_decisions_are_numbered_and_say_what_why_and_at_what_cost() -> None:
    records = sorted(name for name in DOCUMENTS if name.startswith("docs/decisions/"))
    numbers = [int(Path(name).name[:4]) for name in records]
    assert numbers == list(range(1, len(records) + 1))
    for name in records:
        assert re.fullmatch(r"\d{4}(-[a-z0-9]+)+\.md", Path(name).name)
        for part in ("# ", "**We do**", "**Because**", "**It costs**"):
            assert part in DOCUMENTS[name], f"{name}: {part}"
