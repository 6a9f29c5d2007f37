"""Who may ask: every verb of every path of the route table refuses, whatever is added to the table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jupyter_server.auth import Authorizer, User
from jupyter_server.base.handlers import JupyterHandler
from recorded_runs import recorded
from tornado.routing import PathMatches, RuleRouter

from rlm_jupyter.server.routes.openapi import openapi_document
from rlm_jupyter.server.routes.table import PATHS, ROUTES

from .conftest import KERNEL, Answer, Rest, escaped

VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW")
ASKED = [(path, verb) for path, handler in PATHS.items() for verb in handler.verbs()]


class Allows(Authorizer):
    """Allows these actions on our resource, and notes what it was asked."""

    def __init__(self, *actions: str, **settings: Any) -> None:
        super().__init__(**settings)
        self.actions = actions
        self.kernels: tuple[str, ...] = ()
        self.asked: list[tuple[str, str]] = []

    def is_authorized(self, handler: JupyterHandler, user: User, action: str, resource: str) -> bool:
        self.asked.append((action, resource))
        return action in {"rlm_jupyter": self.actions, "kernels": self.kernels}.get(resource, ())


class Place:
    """A run, its session and so on: what the paths of the table can be about."""

    def __init__(self, rest: Rest) -> None:
        self.rest = rest
        self.run_id = rest.keep(recorded("Which colour has the lamp?"))

    async def fill(self) -> Place:
        run = await self.rest.get(f"runs/{self.run_id}")
        told = await self.rest.get(f"runs/{self.run_id}/spans", texts="true")
        self.names = {
            "run_id": self.run_id,
            "session_id": run["session_id"],
            "digest": escaped(next(iter(told["texts"]))),
            "format": "markdown",
            "kernel_id": KERNEL,
        }
        return self

    async def ask(self, path: str, verb: str, **arguments: Any) -> Answer:
        filled = re.sub(r"\{(\w+)\}", lambda match: self.names[match[1]], path).removeprefix("/rlm-jupyter/")
        body = b"{}" if verb in ("POST", "PUT", "PATCH") else None
        query = "?q=lamp" if path.endswith("/search") else ""
        return await self.rest.ask(verb, filled + query, body, **arguments)


@pytest.fixture(params=[True, False], ids=["open", "closed"])
def place(rest: Rest, request: pytest.FixtureRequest) -> Place:
    """Both on a server that refuses who is not logged in by itself, and on one that leaves it to the handlers."""
    rest.app.web_app.settings["allow_unauthenticated_access"] = request.param
    return Place(rest)


def authorizer(place: Place, *actions: str) -> Allows:
    allows = Allows(*actions)
    place.rest.app.web_app.settings["authorizer"] = allows
    return allows


async def test_without_credentials_everything_is_refused(place: Place) -> None:
    await place.fill()
    for path, verb in ASKED:
        for headers in ({}, {"Authorization": "token wrong"}, {"Cookie": "username-localhost=someone"}):
            answer = await place.ask(path, verb, headers=headers)
            assert answer.status in (401, 403), (verb, path, answer.status)
            assert set(answer.json) <= {"message", "reason"}
    assert (await place.rest.get(f"runs/{place.run_id}"))["status"] == "ok"


async def test_whom_the_authorizer_refuses_is_refused_everything(place: Place) -> None:
    await place.fill()
    allows = authorizer(place)
    for path, verb in ASKED:
        allows.asked.clear()
        answer = await place.ask(path, verb)
        assert answer.status == 403, (verb, path, answer.status)
        assert allows.asked == [("read" if verb == "GET" else "write", "rlm_jupyter")], (verb, path)
    authorizer(place, "read")
    assert (await place.rest.get(f"runs/{place.run_id}"))["status"] == "ok"


async def test_who_may_only_read_reads_everything_and_changes_nothing(place: Place) -> None:
    await place.fill()
    authorizer(place, "read")
    for path, verb in ASKED:
        answer = await place.ask(path, verb)
        assert answer.status == (200 if verb == "GET" else 403), (verb, path, answer.status, answer.body)
    assert (await place.rest.get(f"runs/{place.run_id}"))["status"] == "ok"


async def test_who_may_not_execute_in_kernels_neither_interrupts_nor_decides(place: Place) -> None:
    decision = {"review_id": "r1", "decision": "approved"}
    executing: list[dict[str, Any]] = [{"action": "interrupt"}, {"action": "decide", "decision": decision}]
    allows = authorizer(place, "read", "write")
    for asked in executing:
        allows.asked.clear()
        answer = await place.rest.ask("POST", f"runs/{place.run_id}/control", asked)
        assert (answer.status, allows.asked) == (403, [("write", "rlm_jupyter"), ("execute", "kernels")])
        assert "execute in kernels" in answer.json["message"]
    assert (await place.rest.ask("POST", f"runs/{place.run_id}/control", {"action": "stop"})).status == 409
    allows.kernels = ("execute",)
    for asked in executing:
        assert (await place.rest.ask("POST", f"runs/{place.run_id}/control", asked)).status == 409


async def test_with_a_cookie_every_change_needs_the_xsrf_token(place: Place) -> None:
    await place.fill()
    login = await place.rest.ask("GET", "health")
    cookie = "; ".join(each.partition(";")[0] for each in login.headers.get_list("Set-Cookie"))
    assert "username-" in cookie
    token = "0123456789abcdef0123456789abcdef"
    for path, verb in ASKED:
        if verb == "GET":
            continue
        for headers in (
            {"Cookie": cookie},
            {"Cookie": f"{cookie}; _xsrf={token}"},
            {"Cookie": f"{cookie}; _xsrf={token}", "X-XSRFToken": "f" * 32},
        ):
            answer = await place.ask(path, verb, headers=headers)
            assert answer.status == 403, (verb, path, answer.status)
        headers = {"Cookie": f"{cookie}; _xsrf={token}", "X-XSRFToken": token}
        assert (await place.ask(path, verb, headers={**headers, "Origin": "https://elsewhere.example"})).status == 404
    for path, verb in ASKED:
        if verb != "GET":
            assert (await place.ask(path, verb, headers=headers)).status not in (401, 403), (verb, path)


async def test_there_are_no_other_verbs(place: Place) -> None:
    await place.fill()
    for path, handler in PATHS.items():
        for verb in set(VERBS) - set(handler.verbs()):
            answer = await place.ask(path, verb)
            assert answer.status == 405, (verb, path, answer.status)
            assert answer.headers["Allow"] == ", ".join(handler.verbs())
            assert (await place.ask(path, verb, headers={})).status in (401, 403, 405)
        preflight = await place.ask(path, "OPTIONS", headers={"Origin": "https://elsewhere.example"})
        assert preflight.body == b""
        assert "Access-Control-Allow-Origin" not in preflight.headers
    assert (await place.rest.get(f"runs/{place.run_id}"))["status"] == "ok"


async def test_the_table_the_server_and_the_document_know_the_same_paths_and_verbs(rest: Rest) -> None:
    served = {
        pattern: handler
        for pattern, handler in _handlers(rest.app.web_app.default_router)
        if "rlm-jupyter" in pattern or "rlm\\-jupyter" in pattern
    }
    base = rest.app.base_url.rstrip("/")
    assert served == {f"{base}{pattern}$": handler for pattern, handler in ROUTES}
    documented = openapi_document()["paths"]
    verbs = {"get", "put", "post", "delete", "patch", "head", "options", "trace"}
    assert {path: sorted(verb.upper() for verb in set(item) & verbs) for path, item in documented.items()} == {
        path: sorted(handler.verbs()) for path, handler in PATHS.items()
    }


async def test_what_is_too_large_is_refused(place: Place) -> None:
    await place.fill()
    for path, verb in ASKED:
        if verb in ("POST", "PUT"):
            filled = re.sub(r"\{(\w+)\}", lambda match: place.names[match[1]], path).removeprefix("/rlm-jupyter/")
            body = json.dumps({"messages": ["x" * PATHS[path].body_limit]}).encode()
            answer = await place.rest.ask(verb, filled, body)
            assert answer.status == 413, (verb, path, answer.status)


def _handlers(router: RuleRouter) -> Iterator[tuple[str, Any]]:
    for rule in router.rules:
        if isinstance(rule.target, RuleRouter):
            yield from _handlers(rule.target)
        elif isinstance(rule.matcher, PathMatches):
            yield rule.matcher.regex.pattern, rule.target
