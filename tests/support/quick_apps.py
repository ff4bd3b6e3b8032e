"""Tests make applications by the thousand. What each would compile anew, and always alike, is compiled once a process:
the builders of its addresses and its templates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import Rule

from idp.web.machine_door import MachineDoor

_builders: dict[tuple[object, ...], Callable[..., Any]] = {}
_compile = Rule._compile_builder


def share_builders() -> None:
    """From now on rules that are alike share one builder; werkzeug binds it to each rule by itself."""

    def compile_once(rule: Rule, append_unknown: bool = True) -> Callable[..., Any]:
        key = (
            rule.rule,
            rule.subdomain,
            rule.host,
            append_unknown,
            repr(sorted((rule.defaults or {}).items(), key=str)),
        )
        if key not in _builders:
            _builders[key] = _compile(rule, append_unknown)
        return _builders[key]

    Rule._compile_builder = compile_once  # type: ignore[method-assign]


class _Templates(BytecodeCache):
    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


_templates = _Templates()


def share_templates(app: Flask) -> None:
    app.jinja_env.bytecode_cache = _templates


def close_machine_door(app: Flask) -> None:
    """Let this application answer machines behind Flask's dispatch, as it answers everybody else."""
    way: Any = app.wsgi_app
    if isinstance(way, ProxyFix):
        way = way.app
    assert isinstance(way, MachineDoor)
    way.table = {}
