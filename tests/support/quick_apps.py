"""Tests make applications by the thousand. What each would compile anew, and always alike, is compiled once a process:
its addresses and its templates.
"""

from __future__ import annotations

from typing import Any

from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import Rule

from idp.web.machine_door import MachineDoor

BUILDERS = ("_build", "_build_unknown")
MADE_OF_ITS_TEXT = ("_parts", "_trace", "_converters", "arguments", *BUILDERS)

_rules: dict[tuple[object, ...], dict[str, Any]] = {}
_compile = Rule.compile


def share_rules() -> None:
    """From now on rules of addresses that are alike are compiled once. Our converters know nothing of their map."""

    def compile_once(rule: Rule) -> None:
        map_ = rule.map
        assert map_ is not None
        assert not map_.host_matching
        defaults = repr(sorted((rule.defaults or {}).items(), key=str))
        key = (rule.rule, rule.subdomain, rule.merge_slashes, rule.build_only, defaults)
        made = _rules.get(key)
        if made is None:
            _compile(rule)
            made = _rules[key] = {name: getattr(rule, name) for name in MADE_OF_ITS_TEXT}
            for builder in BUILDERS:
                made[builder] = made[builder].__func__
        bound = {builder: made[builder].__get__(rule) for builder in BUILDERS}
        vars(rule).update(made, **bound)

    Rule.compile = compile_once  # type: ignore[method-assign]


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
