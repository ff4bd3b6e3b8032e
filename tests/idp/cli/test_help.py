"""Every command explains itself, with an example that can be typed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from idp.cli.main import main


def commands(group: click.Group = main, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL = dict(commands())


def test_the_commands_are_these() -> None:
    assert sorted(" ".join(path) for path in ALL) == [
        "admin bootstrap", "admin change", "admin list", "api-client add", "api-client end-secret", "api-client list",
        "api-client revoke", "api-client secret", "audit anchor", "audit redact", "audit verify", "check", "code issue",
        "code list", "code revoke", "completion", "config apply", "config export", "db upgrade", "import watch",
        "key list", "key new-master", "key plan", "key rotate",
        "letter batch cancel", "letter batch create", "letter batch list", "letter batch posted",
        "letter batch print", "letter batch printed", "letter batch returned", "letter cancel",
        "letter list", "letter print", "outbox list", "outbox retry", "person import", "portal add", "portal disable",
        "portal enable", "portal end-secret", "portal invite", "portal list", "portal secret", "portal show",
        "portal test", "portal update", "settings reset", "settings set", "settings show",
        "webhook add", "webhook again", "webhook enable", "webhook list", "webhook log",
        "webhook remove", "webhook secret", "worker",
    ]  # fmt: skip


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_says_what_a_command_does_what_each_option_means_and_gives_an_example(path: tuple[str, ...]) -> None:
    """Help needs no configuration."""
    shown = CliRunner().invoke(main, [*path, "--help"])
    assert shown.exit_code == 0
    assert f"connect {' '.join(path)}" in " ".join(shown.output.split())
    command = ALL[path]
    assert command.help
    assert command.help.split("\n")[0].endswith("."), "the first line is a sentence"
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{' '.join(path)} {option.opts}"


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_the_example_can_be_typed(path: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsed, not run; the files it names are there."""
    command = ALL[path]
    assert command.epilog
    assert command.epilog.startswith("Example: ")
    typed = command.epilog.removeprefix("Example: ").split(" && ")[0].split(" > ")[0]
    words = shlex.split(typed)
    assert tuple(words[: len(path) + 1]) == ("connect", *path)
    monkeypatch.chdir(tmp_path)
    for name in ("persons.csv", "anchors.jsonl", "connect.yaml"):
        Path(name).touch()
    Path("imports").mkdir()
    command.make_context(" ".join(path), words[len(path) + 1 :])


def test_groups_list_their_commands_and_a_slip_is_answered_with_code_2() -> None:
    shown = CliRunner().invoke(main, [])
    for word in ("check", "code", "db", "key", "outbox", "person", "portal", "worker"):
        assert word in shown.output
    for words in (["portl"], ["portal", "ad"], ["code", "list"], ["code", "list", "--portal", "x", "--state", "new"]):
        slip = CliRunner().invoke(main, words)
        assert slip.exit_code == 2, words
        assert "Usage" in slip.stderr
        assert "Error" in slip.stderr


def test_the_version_is_told_also_in_a_source_tree() -> None:
    assert CliRunner().invoke(main, ["--version"]).output.startswith("connect ")
