"""What an onlooker sees of a browser's exchanges: status, headers, cookie names and body; what is random is masked."""

from __future__ import annotations

import re
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.person import Person

RANDOM = re.compile(
    r'(?<=name="csrf_token" value=")[^"]*|(?<=name="nonce" value=")[^"]*|(?<=f=)[A-Za-z0-9]{22}'
    r"|(?<=&#34;challenge&#34;: &#34;)[A-Za-z0-9_-]{72}|(?<=for=)[A-Za-z0-9]{43}|\b[0-9A-Z]{4}-[0-9A-Z]{4}\b(?!-)"
)


class _Client(FlaskClient):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.seen: list[TestResponse] = []

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        response = super().open(*args, **kwargs)
        self.seen.append(response)
        return response


class Watched(Person):
    """A person whose every exchange is kept; `private` are words to mask, such as the address that was typed."""

    def __init__(self, app: Flask) -> None:
        super().__init__(app)
        self.client: _Client = _Client(app, app.response_class, use_cookies=True)
        self.private: list[str] = []

    def transcript(self, *private: str) -> list[str]:
        """One text an exchange."""
        return [_look(response, [*self.private, *private]) for response in self.client.seen]


def _look(response: TestResponse, private: list[str]) -> str:
    headers = sorted(
        f"{name}: {value.split('=')[0] if name == 'Set-Cookie' else value}"
        for name, value in response.headers.items()
        if name not in {"X-Request-Id", "Content-Length"}
    )
    text = "\n".join([str(response.status_code), *headers, response.get_data(as_text=True)])
    for word in private:
        text = text.replace(word, "<typed>")
    return RANDOM.sub("<random>", text)
