"""The three sources of the master key, and what is said when one gives none: never a part of what it gave."""

from __future__ import annotations

import base64
import os
import shlex
import sys

import pytest

from keys import MasterKeyError
from keys.master import new_master_key, read_master_key

KEY = new_master_key()
RAW = base64.b64decode(KEY)


def piped(text: str) -> int:
    """A descriptor from which this can be read once."""
    ours, theirs = os.pipe()
    os.write(theirs, text.encode())
    os.close(theirs)
    return ours


def closed() -> int:
    descriptor = piped("")
    os.close(descriptor)
    return descriptor


def test_every_source_gives_the_same_key() -> None:
    assert read_master_key(value=f" {KEY}\n") == RAW
    assert read_master_key(descriptor=piped(f"{KEY}\n")) == RAW
    assert read_master_key(command=f"echo {KEY}") == RAW


def test_a_descriptor_is_closed_once_it_was_read() -> None:
    descriptor = piped(KEY)
    read_master_key(descriptor=descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_a_descriptor_that_gives_nothing_is_told() -> None:
    with pytest.raises(MasterKeyError, match="descriptor"):
        read_master_key(descriptor=closed())
    with pytest.raises(MasterKeyError):
        read_master_key(descriptor=piped(""))


SAYS_TOO_MUCH = shlex.join([sys.executable, "-c", f"raise SystemExit('{KEY}')"])


@pytest.mark.parametrize("command", ["false", "/nowhere/at/all", "echo 'half a quote", "", "  ", SAYS_TOO_MUCH])
def test_a_command_that_fails_is_told_without_its_output(command: str) -> None:
    with pytest.raises(MasterKeyError, match="command") as caught:
        read_master_key(command=command)
    assert KEY not in f"{caught.value!r} {caught.value}"


def test_no_shell_reads_the_command() -> None:
    with pytest.raises(MasterKeyError, match="base64"):
        read_master_key(command=f"echo $(echo {KEY})")


def test_without_a_source_there_is_no_key() -> None:
    with pytest.raises(MasterKeyError, match="no source"):
        read_master_key()
