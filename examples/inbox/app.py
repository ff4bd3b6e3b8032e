"""A mail server and an SMS gateway that keep what they are given, for the demonstration.

Connect talks to them over its ordinary adapters. Each message is one line of JSON in the given file:
{"channel", "to", "subject", "text", "at"}.

    INBOX_SMS_SECRET=… python -m examples.inbox.app --file inbox.jsonl --smtp-port 8003 --sms-port 8004
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import threading
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope

LARGEST = 64 * 1024


class Box:
    """The file of messages, appended to under a lock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def keep(self, channel: str, to: str, subject: str, text: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"channel": channel, "to": to, "subject": subject, "text": text, "at": now})
        with self._lock, self._path.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")


class Mails:
    """What aiosmtpd calls for each message."""

    def __init__(self, box: Box) -> None:
        self._box = box

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        message = message_from_bytes(content, _class=EmailMessage, policy=policy.default)
        body = message.get_body(("plain",))
        text = body.get_content() if body is not None else ""
        self._box.keep("mail", ", ".join(envelope.rcpt_tos), str(message["Subject"]), text.replace("\r\n", "\n"))
        return "250 kept"


def gateway(box: Box, secret: bytes) -> type[BaseHTTPRequestHandler]:
    """A webhook that keeps a text only if its signature is right (docs/sms-webhook.md)."""

    class Gateway(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), LARGEST))
            parts = dict(
                part.split("=", 1) for part in self.headers.get("Connect-Signature", "").split(",") if "=" in part
            )
            expected = hmac.new(secret, f"{parts.get('t', '')}.".encode() + body, hashlib.sha256).hexdigest()
            is_right = hmac.compare_digest(expected, parts.get("v1", ""))
            if is_right:
                given: dict[str, Any] = json.loads(body)
                box.keep("sms", str(given.get("to", "")), "", str(given.get("text", "")))
            self.send_response(204 if is_right else 401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is said about who got what."""

    return Gateway


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--sms-port", type=int, required=True)
    options = parser.parse_args()
    box = Box(options.file)
    mail = Controller(Mails(box), hostname="127.0.0.1", port=options.smtp_port)
    mail.start()
    secret = os.environ["INBOX_SMS_SECRET"].encode()
    ThreadingHTTPServer(("127.0.0.1", options.sms_port), gateway(box, secret)).serve_forever()


if __name__ == "__main__":
    main()
