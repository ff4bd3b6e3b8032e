from __future__ import annotations

import pytest
from flask import (
    Blueprint,
    Flask,
    Response,
    after_this_request,
    appcontext_tearing_down,
    g,
    redirect,
    request,
    request_tearing_down,
    session,
)
from werkzeug.test import create_environ

from idp.models.base import db
from idp.web.application import Application
from idp.web.plain_answer import PlainAnswer

ENVIRONS = [
    create_environ("/", "http://localhost"),
    create_environ("/a/b?c=d&e=%C3%A9", "https://id.example.ch", method="POST"),
    create_environ("//a//", "https://ID.example.ch:8443"),
    create_environ("/é", "http://localhost:80/below"),
    create_environ("/", "http://x.example.ch:443"),
    create_environ("/", headers={"Connection": "Upgrade", "Upgrade": "websocket"}),
    create_environ("/", headers={"Connection": "Upgrade", "Upgrade": "h2c"}),
    {**create_environ("/"), "HTTP_HOST": "no host"},
    {**create_environ("/"), "HTTP_HOST": ""},
    {**create_environ("/"), "PATH_INFO": ""},
    {**create_environ("/"), "PATH_INFO": "\xff", "QUERY_STRING": "\xff"},
    {
        name: value
        for name, value in create_environ("/").items()
        if name not in {"HTTP_HOST", "PATH_INFO", "QUERY_STRING"}
    },
]


def known(app: Flask, environ: dict[str, object]) -> dict[str, object]:
    """What the router is told of a request, and the host that the request knows."""
    asked = app.request_class(dict(environ))
    adapter = app.create_url_adapter(asked)
    assert adapter is not None
    told = {name: value for name, value in vars(adapter).items() if name != "map"}
    told["query_args"] = told["query_args"] or None
    told["path_info"] = "/" + told["path_info"].lstrip("/") if told["path_info"] else ""
    return {**told, "host": asked.host}


@pytest.mark.parametrize("environ", ENVIRONS)
def test_the_router_is_told_what_flask_tells_it(environ: dict[str, object]) -> None:
    assert known(Application("x"), environ) == known(Flask("x"), environ)


def walk(app: Flask, *, of_blueprint: bool, is_refused: bool = False) -> list[str]:
    """The order of everything that is called for a request."""
    order: list[str] = []

    def after(name: str, response: Response) -> Response:
        order.append(name)
        return response

    def also(response: Response) -> Response:
        return after("after this, too", response)

    def refuse() -> str | None:
        return "refused" if is_refused else None

    blueprint = Blueprint("b", __name__)
    app.before_request(lambda: order.append("before 1"))
    app.before_request(refuse)
    app.before_request(lambda: order.append("before 2"))
    app.after_request(lambda response: after("after 1", response))
    app.after_request(lambda response: after("after 2", response))
    app.teardown_request(lambda _: order.append("teardown"))
    if of_blueprint:
        blueprint.url_value_preprocessor(lambda *_: order.append("values"))
        blueprint.before_request(lambda: order.append("before, blueprint"))
        blueprint.after_request(lambda response: after("after, blueprint", response))
        blueprint.teardown_request(lambda _: order.append("teardown, blueprint"))

    @blueprint.get("/")
    def view() -> str:
        after_this_request(lambda response: after_this_request(also) and after("after this", response))
        order.append("view")
        return "seen"

    @blueprint.get("/broken")
    def broken() -> str:
        raise ValueError

    app.register_blueprint(blueprint)
    app.register_error_handler(ValueError, lambda _: ("told", 500))
    for asked in ("GET /", "HEAD /", "OPTIONS /", "POST /", "GET /no", "GET /broken"):
        method, path = asked.split()
        answer = app.test_client().open(path, method=method)
        order.append(f"{asked}: {answer.status} {answer.text} {answer.headers.get('Allow')}")
    return order


@pytest.mark.parametrize("of_blueprint", [False, True])
@pytest.mark.parametrize("is_refused", [False, True])
def test_hooks_run_in_flasks_order(of_blueprint: bool, is_refused: bool) -> None:
    ways = [walk(kind("x"), of_blueprint=of_blueprint, is_refused=is_refused) for kind in (Flask, Application)]
    assert ways[0] == ways[1]
    assert "teardown" in ways[0]
    assert is_refused or "after this, too" in ways[0]


def test_whoever_listens_for_the_end_hears_of_it() -> None:
    app, heard = Application("x"), list[object]()
    with request_tearing_down.connected_to(lambda *_, **__: heard.append(request.path), app):
        app.test_client().get("/x")
    assert heard == ["/x"]


def test_the_context_stays_for_a_test_that_asks_for_it() -> None:
    app = Application("x")

    @app.get("/")
    def view() -> str:
        g.kept = "so"
        return ""

    with app.test_client() as client:
        client.get("/?a=b")
        assert (request.args["a"], g.kept) == ("b", "so")


def test_there_is_no_session_of_flasks() -> None:
    app = Application("x")
    app.secret_key = "x"
    with app.test_request_context("/"):
        assert not session
        with pytest.raises(RuntimeError):
            session["a"] = "b"


def test_every_answer_is_a_plain_one() -> None:
    app = Application("x")
    app.add_url_rule("/a", "a", lambda: Response("made by hand"))
    app.add_url_rule("/b", "b", lambda: redirect("/a"))
    seen: list[type] = []
    app.after_request(lambda response: seen.append(type(response)) or response)
    for path in ("/a", "/b", "/none"):
        app.test_client().get(path)
    assert seen == [PlainAnswer] * 3


def test_the_end_of_a_context_is_skipped_where_nothing_was_opened_in_it_and_there_alone(web: Flask) -> None:
    ends = web.teardown_appcontext_funcs
    assert {end.__module__ for end in ends} == {"flask_sqlalchemy.extension", "idp.models.units"}
    called: list[str] = []
    ends.append(lambda _: called.append("end"))
    with web.app_context():
        pass
    assert called == []
    with web.app_context():
        db.session()
    assert called == ["end"]
    with appcontext_tearing_down.connected_to(lambda *_, **__: called.append("heard"), web), web.app_context():
        pass
    assert called[1:] == ["end", "heard"]
