"""A request that the door of the machines found plain: what Flask's request works out of it, known beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Request
from werkzeug.datastructures import EnvironHeaders, ImmutableMultiDict

from idp.web.in_memory import NOTHING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

FORM = "application/x-www-form-urlencoded"
OF_THE_BODY = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})  # which stand without HTTP_ in front (PEP 3333)


class _Headers(EnvironHeaders):
    """Asked for one after the other, most of which are not there: no exception is raised and caught for each."""

    def get(self, key: str, default: Any = None, type: Any = None) -> Any:  # type: ignore[override]
        name = key.upper().replace("-", "_")
        if type is not None or name in OF_THE_BODY:
            return super().get(key, default, type)
        return self.environ.get("HTTP_" + name, default)

    def __repr__(self) -> str:
        """Without what they say: a secret may be among them."""
        return f"<{type(self).__name__}>"

    __str__ = __repr__


class MachineRequest(Request):
    """Without a query; `form` is given once the body was read. Everything else is Flask's."""

    args: ImmutableMultiDict[str, str] = NOTHING
    form: ImmutableMultiDict[str, str] = NOTHING
    files: ImmutableMultiDict[str, Any] = NOTHING
    headers: _Headers

    def __init__(self, environ: WSGIEnvironment) -> None:
        self.environ = environ
        self.shallow = False
        self.method = environ["REQUEST_METHOD"]
        self.scheme = environ["wsgi.url_scheme"]
        self.server = None
        self.root_path = ""
        self.path = environ["PATH_INFO"]
        self.query_string = b""
        self.remote_addr = environ.get("REMOTE_ADDR")
        self.headers = _Headers(environ)

    @property
    def mimetype(self) -> str:
        kind = self.environ.get("CONTENT_TYPE", "")
        return kind if kind in {FORM, ""} else super().mimetype
