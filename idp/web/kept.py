"""What was typed and what was wrong with it, carried from a POST over the redirect to its page (ux.md §3.2).

Sealed in the address for one page and one browser or session, so it tells nobody anything, is no oracle, and a reload,
another language or Back show it again. For pages outside the journeys, which keep theirs in their run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from flask import redirect, request
from markupsafe import Markup
from werkzeug.wrappers import Response

from idp.services.bundle import services
from idp.web.forms import FormView
from idp.web.i18n import language, text
from keys.envelope import EnvelopeError

PARAMETER = "kept"
Named = Mapping[str, str | dict[str, str]]  # what stands in a message; in the reader's language where it has several


@dataclass(frozen=True, repr=False)
class Wrong:
    """A message key with the names it needs; `code` is what a machine says of it, in English."""

    key: str
    named: Named = field(default_factory=dict)
    code: str = ""


def lead(path: str, whose: str, values: Mapping[str, str], errors: Mapping[str, Wrong] | None = None) -> Response:
    """303 to a page of ours that shows these values again, and these errors. `whose`: the browser or the session."""
    wrong = {name: [error.key, dict(error.named), error.code] for name, error in (errors or {}).items()}
    known = json.dumps({"values": dict(values), "errors": wrong}).encode()
    sealed = services().vault.seal(known, _context(path, whose))
    return redirect(f"{path}?{urlencode({PARAMETER: sealed})}{'#e' if wrong else ''}", 303)


def find(whose: str) -> FormView | None:
    """What was kept for this page and for nobody else; None where there is nothing, or not for them."""
    try:
        opened = services().vault.open(request.args.get(PARAMETER, ""), _context(request.path, whose))
    except EnvelopeError:
        return None
    known = json.loads(opened)
    return FormView(known["values"], {name: _words(*wrong) for name, wrong in known["errors"].items()})


def _words(key: str, named: Named, code: str) -> str:
    words = text(key, **{name: value if isinstance(value, str) else value[language()] for name, value in named.items()})
    return Markup('{} <code lang="en">{}</code>').format(words, code) if code else words


def _context(path: str, whose: str) -> str:
    return f"kept.{path}.{whose}"
