"""Where the master key comes from: a value of the environment, a file descriptor, or the output of a command."""

from __future__ import annotations

import base64
import binascii
import os
import shlex
import subprocess

LENGTH = 32
COMMAND_TIMEOUT_S = 10


class MasterKeyError(Exception):
    """The master key cannot be had; the message says why and never repeats it."""


def new_master_key() -> str:
    """A fresh master key: 32 random bytes in base64."""
    return base64.b64encode(os.urandom(LENGTH)).decode()


def read_master_key(value: str | None = None, descriptor: int | None = None, command: str | None = None) -> bytes:
    """The 32 bytes of the master key from exactly one source. Raises `MasterKeyError`."""
    if value is not None:
        return _decode(value)
    if descriptor is not None:
        try:
            with os.fdopen(descriptor) as stream:
                return _decode(stream.read())
        except OSError as error:
            raise MasterKeyError("the file descriptor of the master key cannot be read") from error
    if command is not None:
        try:
            done = subprocess.run(  # noqa: S603 - the operator's own command, no shell
                shlex.split(command), capture_output=True, text=True, check=True, timeout=COMMAND_TIMEOUT_S
            )
        except (OSError, ValueError, IndexError, subprocess.SubprocessError) as error:
            raise MasterKeyError("the command of the master key failed") from error
        return _decode(done.stdout)
    raise MasterKeyError("no source of the master key is configured")


def _decode(text: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MasterKeyError("the master key is not base64") from error
    if len(key) != LENGTH:
        raise MasterKeyError(f"the master key must be {LENGTH} bytes, not {len(key)}")
    if len(set(key)) < LENGTH // 4:
        raise MasterKeyError("the master key is not random")
    return key
