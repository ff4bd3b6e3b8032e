"""`connect settings`: what operators chose instead of what the environment says, by the console's own service."""

from __future__ import annotations

from collections.abc import Mapping

import click

from idp.choices import Choices
from idp.cli.context import at_work, fail
from idp.services.setting_changes import Change
from idp.services.setting_words import as_written

NAMES = click.Choice(list(Choices.model_fields))
WITHIN = "counts in every process within a second"


@click.group()
def settings() -> None:
    """Settings that may be changed while everything runs; values are as in the environment, spans in seconds."""


@settings.command(epilog="Example: connect settings show")
def show() -> None:
    """Every setting that may be changed: name, value, and where it comes from."""
    with at_work() as bundle:
        now, chosen = bundle.setting_changes.now(), bundle.setting_changes.chosen()
        environment = bundle.setting_changes.environment
        for name, field in Choices.model_fields.items():
            is_set = getattr(environment, name) != field.default
            whence = "environment" if is_set else "default"
            if name in chosen:
                whence = (
                    f"chosen {chosen[name].chosen_at:%Y-%m-%d %H:%M}, else {as_written(getattr(environment, name))}"
                )
            click.echo(f"{name}={as_written(getattr(now, name))}  ({whence})")


@settings.command("set", epilog="Example: connect settings set sms_code_for=300 sms_first=fallback")
@click.argument("values", nargs=-1, required=True, metavar="NAME=VALUE...")
def choose(values: tuple[str, ...]) -> None:
    """Choose these settings instead of the environment's, all or none."""
    wanted = dict(value.partition("=")[::2] for value in values)
    if unsaid := [value for value in values if "=" not in value]:
        fail(*(f"{value}: write NAME=VALUE" for value in unsaid))
    _apply({name.lower().removeprefix("connect_"): value for name, value in wanted.items()})


@settings.command(epilog="Example: connect settings reset sms_first")
@click.argument("names", nargs=-1, required=True, type=NAMES, metavar="NAME...")
def reset(names: tuple[str, ...]) -> None:
    """Let the environment decide these settings again."""
    _apply(dict.fromkeys(names))


def _apply(wanted: Mapping[str, str | None]) -> None:
    with at_work() as bundle:
        changes = bundle.setting_changes.apply(wanted, bundle.setting_changes.version())
        for change in changes:
            click.echo(_line(change))
        click.echo(WITHIN if changes else "nothing changes")


def _line(change: Change) -> str:
    return f"{change.name}: {change.before} → {change.after}"
