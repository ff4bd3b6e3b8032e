"""`connect completion`: what a shell needs to complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command(epilog="Example: connect completion bash")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script for bash, zsh or fish that completes commands and options.

    In bash add to ~/.bashrc: eval "$(connect completion bash)". In zsh likewise to ~/.zshrc. In fish write it to
    ~/.config/fish/completions/connect.fish. It needs no configuration.
    """
    kind = get_completion_class(shell)
    assert kind is not None, shell  # noqa: S101 - the choice is of click's own
    click.echo(kind(ctx.find_root().command, {}, "connect", "_CONNECT_COMPLETE").source())
