"""A request, its statements and what it asks elsewhere are one trace, in which no code, token or person stands."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from flask import Flask
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from idp import setting_faults
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.http_out import OutgoingRefused, Reach, post
from idp.services.otel import OpenTelemetry
from idp.services.spans import NO_SPAN, Spans
from idp.settings import Settings, SettingsError
from tests.actions import finish_registration, letter, sign_in
from tests.support.person import ISSUER, Person
from tests.support.relying_party import RelyingParty, answer_of
from tests.support.web_server import Said, WebServer

EMAIL = "helene@example.ch"
NAMES = {
    "http.request.method", "http.route", "http.response.status_code", "connect.request_id", "server.address",
    "error.type", "db.system.name", "db.operation.name", "db.query.text",
}  # fmt: skip


@pytest.fixture
def exported(services: Services) -> InMemorySpanExporter:
    """What leaves the process; asked for before the application is made."""
    exporter = InMemorySpanExporter()
    services.spans.tracer = OpenTelemetry(SimpleSpanProcessor(exporter))
    return exporter


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"CONNECT_TRUSTED_PROXIES": "1"}


def said(spans: tuple[ReadableSpan, ...]) -> str:
    return "\n".join(span.to_json() for span in spans)


def of_server(spans: tuple[ReadableSpan, ...]) -> list[ReadableSpan]:
    return [span for span in spans if span.kind.name == "SERVER"]


def noted(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def test_no_code_token_or_person_is_in_a_span(
    exported: InMemorySpanExporter, web: Flask, portal: Portal, rp: RelyingParty, services: Services
) -> None:
    person, code = Person(web), letter(services, portal)
    person.open(f"/cpx/register/code?code={code}")
    finish_registration(person, code, EMAIL)
    person = Person(web)
    hints = {"state": "st4te-of-the-portal", "login_hint": EMAIL, "id_token_hint": "eyJhbGciOiJub25lIn0.eyJzdWIi.x"}
    person.open(rp.request(**hints))
    person.open(rp.request(state=hints["state"], login_hint=EMAIL))
    sign_in(person)
    answer = answer_of(person.address)
    tokens = rp.redeem(answer["code"]).get_json()
    rp.userinfo(tokens["access_token"])
    person.open(f"/logout?id_token_hint={tokens['id_token']}&state={hints['state']}")
    web.test_client().get(f"/no/such/{answer['code']}", base_url=ISSUER)
    spans = exported.get_finished_spans()
    text = said(spans)
    issued = {name: tokens[name] for name in ("access_token", "refresh_token", "id_token")}
    secrets = hints | issued | {"code": answer["code"], "letter": code, "mobile": "791234567", "name": "helene"}
    assert [name for name, value in secrets.items() if value in text] == []
    assert {name for span in spans for name in noted(span)} <= NAMES
    routes = {noted(span)["http.route"] for span in of_server(spans)}
    assert {"/authorize", "/token", "/userinfo", "/logout", "/<slug>/register/code", "none"} <= routes
    assert not [span for span in spans if "?" in span.name or span.events or span.status.description]


def test_statements_belong_to_their_request_and_show_no_value(
    exported: InMemorySpanExporter, web: Flask, portal: Portal
) -> None:
    web.test_client().get("/cpx/login", base_url=ISSUER)
    spans = exported.get_finished_spans()
    (request,) = of_server(spans)
    statements = [span for span in spans if "db.query.text" in noted(span)]
    assert request.parent is None
    assert len(statements) >= 2
    assert {span.parent and span.parent.span_id for span in statements} == {request.context and request.context.span_id}
    assert {span.name for span in statements} <= {"SELECT", "INSERT", "UPDATE", "DELETE", "SHOW"}
    assert "cpx" not in said(tuple(statements))
    exported.clear()
    db.session.execute(db.text("SELECT 1"))  # of nobody's request
    assert exported.get_finished_spans() == ()


@pytest.mark.sqlite_only
def test_a_request_goes_on_with_the_trace_of_the_proxy_and_is_logged_under_it(
    exported: InMemorySpanExporter, web: Flask
) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"Traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    first = web.test_client().get("/livez", base_url=ISSUER, headers=headers)
    other = web.test_client().get("/livez", base_url=ISSUER, headers={"Traceparent": f"00-{trace}-x-01"})
    spans = [span for span in exported.get_finished_spans() if span.kind is SpanKind.SERVER]
    traces = [f"{span.context.trace_id:032x}" for span in spans if span.context]
    assert traces == [first.headers["X-Request-Id"], other.headers["X-Request-Id"]]
    assert traces[0] == trace != traces[1]
    assert spans[0].parent is not None
    assert f"{spans[0].parent.span_id:016x}" == "00f067aa0ba902b7"
    assert noted(spans[0])["connect.request_id"] == trace


@pytest.mark.sqlite_only
def test_a_fault_is_told_by_its_kind_alone(exported: InMemorySpanExporter, web: Flask, portal: Portal) -> None:
    db.session.execute(db.text("ALTER TABLE portal RENAME TO gone"))
    db.session.commit()
    assert web.test_client().get("/cpx/login", base_url=ISSUER).status_code == 500
    spans = exported.get_finished_spans()
    (request,) = of_server(spans)
    assert (request.status.status_code.name, noted(request)["error.type"]) == ("ERROR", "500")
    failed = [span for span in spans if noted(span).get("error.type") == "OperationalError"]
    assert failed
    assert "no such table" not in said(spans)


@pytest.mark.no_database
def test_what_is_asked_elsewhere_names_the_host_alone() -> None:
    exporter, spans = InMemorySpanExporter(), Spans(is_wanted=False)
    spans.tracer = OpenTelemetry(SimpleSpanProcessor(exporter))
    reach = Reach(frozenset({"localhost"}), allows_http=True, spans=spans)
    with WebServer(lambda _: Said(204)) as server:
        post(f"{server.address}/hook/s3cret?key=s3cret", b"s3cret", {"X-Key": "s3cret"}, reach=reach)
        (asked,) = server.asked
    with pytest.raises(OutgoingRefused):
        post("http://user:s3cret@elsewhere.example/s3cret", b"", {}, reach=reach)
    taken, refused = exporter.get_finished_spans()
    assert noted(taken) == {
        "http.request.method": "POST", "server.address": "localhost", "http.response.status_code": 204,
    }  # fmt: skip
    assert noted(refused)["error.type"] == "OutgoingRefused"
    assert "s3cret" not in said((taken, refused))
    assert "traceparent" not in {name.lower() for name in asked.headers}  # nobody else learns how we follow things


@pytest.mark.no_database
def test_nothing_is_traced_unless_it_is_wanted() -> None:
    spans = Spans(is_wanted=False)
    spans.start()
    assert spans.begin("GET /", "server", {}) is NO_SPAN
    NO_SPAN.note({"a": 1})
    NO_SPAN.end("x")
    assert NO_SPAN.trace_id == ""


@pytest.mark.no_database
def test_without_the_extra_of_the_package_the_configuration_says_so(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = environment | {"CONNECT_TRACING": "true"}
    assert Settings.from_environ(wanted).tracing
    missing = {"opentelemetry.exporter.otlp.proto.http"}
    monkeypatch.setattr(setting_faults, "find_spec", lambda name: None if name in missing else find_spec(name))
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ(wanted)
    assert caught.value.faults == ["CONNECT_TRACING: needs the extra of the package, install connect-idp[otel]"]
