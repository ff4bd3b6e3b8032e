"""An answer whose headers leave as they stand: Werkzeug copies them, and takes each address apart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flask import Response
from werkzeug.datastructures import Headers

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

WITHOUT_BODY = {204, 304}
ADDRESS = re.compile(  # which `iri_to_uri` leaves as it is
    r"(?:https?://(?:[a-z0-9-]{1,63}\.)*[a-z0-9-]{1,63}(?::[1-9][0-9]{0,3}|:[1-5][0-9]{4})?|(?!//))"
    r"/[\w.~%!$&'()*+,/:;=@-]*(?:\?[\w.~%!$&'()*+,/:;=?@-]+)?",
    re.ASCII,
)


class PlainAnswer(Response):
    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        """Those that the answer has, which is sent once; what must be changed on the way is left to Werkzeug."""
        headers = self.headers
        named = {name.lower(): value for name, value in headers}
        is_plain = (
            self.status_code >= 200 and self.status_code not in WITHOUT_BODY and "content-location" not in named
            and ("location" not in named or ADDRESS.fullmatch(named["location"]) is not None)
            and ("content-length" in named or not self.is_sequence)
        )  # fmt: skip
        return headers if is_plain else super().get_wsgi_headers(environ)
