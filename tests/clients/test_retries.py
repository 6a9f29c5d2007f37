"""Which calls are repeated, how often, how long, and what a deadline means for them."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from email.utils import formatdate

import pytest
from network_client import AT_ONCE, Connect, Watcher, ask, refused
from scripted_server import Reply, ScriptedServer

from rlm_jupyter.clients.io_thread import submit
from rlm_jupyter.clients.openai import OpenAIClient
from rlm_jupyter.clients.retries import BrokenReplyError, SilenceError, persist
from rlm_jupyter.clients.throttle import Throttle
from rlm_jupyter.core.errors import ClientError
from rlm_jupyter.core.protocols import ModelRequest


def busy(status: int = 429, **headers: str) -> Reply:
    return Reply("busy", status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 529])
def test_what_may_pass_is_asked_again_and_counted(connect: Connect, on_text: Watcher, status: int) -> None:
    refusal = Reply("busy", status=status, headers=AT_ONCE)
    with ScriptedServer([refusal, refusal, Reply("ok")]) as server:
        reply = ask(connect(server), on_text=on_text)
        assert (reply.text, reply.retries, len(server.requests)) == ("ok", 2, 3)
        assert len({each.connection for each in server.requests}) == 1
        assert [each.headers["x-stainless-retry-count"] for each in server.requests] == ["0", "1", "2"]


@pytest.mark.parametrize(
    "refusal",
    [
        *(Reply("no", status=status, headers=AT_ONCE) for status in (400, 401, 402, 403, 404, 413, 422)),
        Reply("no", status=500, headers={"X-Should-Retry": "false"}),
        Reply(status=429, body=json.dumps({"error": {"code": "insufficient_quota", "message": "no credit"}}).encode()),
    ],
    ids=["400", "401", "402", "403", "404", "413", "422", "told-not-to", "quota"],
)
def test_what_will_not_pass_is_not_asked_again(connect: Connect, refusal: Reply) -> None:
    with ScriptedServer([refusal]) as server:
        error = refused(connect(server))
        assert (error.retryable, error.retries, len(server.requests)) == (False, 0, 1)


def test_overload_does_not_use_up_the_retries_and_other_failures_do(connect: Connect) -> None:
    with ScriptedServer([Reply("busy", status=429, headers=AT_ONCE)] * 5 + [Reply("ok")]) as server:
        assert ask(connect(server, max_retries=1)).retries == 5
    with ScriptedServer([Reply("broken", status=500, headers=AT_ONCE)] * 3) as server:
        error = refused(connect(server, max_retries=2))
        assert (error.retries, len(server.requests)) == (2, 3)
        assert "answered 500 (after 2 retries): broken." in str(error)


@pytest.mark.parametrize(
    "bad", [Reply("no", status=500), Reply("half of it", cut_after=0)], ids=["fails", "breaks-off"]
)
def test_a_server_that_is_there_and_always_fails_is_not_asked_for_ever(connect: Connect, bad: Reply) -> None:
    with ScriptedServer(lambda request: "ok" if request.number == 1 else bad) as server:
        client = connect(server)
        ask(client)
        assert refused(client).retries == 4


def test_nothing_is_repeated_where_that_is_wanted(connect: Connect) -> None:
    with ScriptedServer([Reply("busy", status=429, headers=AT_ONCE)]) as server:
        assert refused(connect(server, max_retries=0)).retries == 0


@pytest.mark.parametrize("header", ["Retry-After", "retry-after-ms", "date"])
def test_the_server_says_when_to_come_back(connect: Connect, header: str) -> None:
    said = {"Retry-After": "1", "retry-after-ms": "1000", "date": ""}[header]

    def script(request: object) -> Reply:
        if len(server.requests) > 1:
            return Reply("ok")
        value = said or formatdate(time.time() + 2, usegmt=True)  # a whole second, one to two from now
        return Reply("busy", status=503, headers={"Retry-After" if header == "date" else header: value})

    with ScriptedServer(script) as server:
        ask(connect(server))
        first, second = server.requests
    assert second.arrived - first.arrived >= 0.95


def test_a_wait_that_does_not_fit_before_the_deadline_is_an_error_now(connect: Connect) -> None:
    with ScriptedServer([busy(Retry_After="3600")]) as server:
        error = refused(connect(server), deadline=time.monotonic() + 60)
        assert len(server.requests) == 1
    assert type(error) is ClientError
    assert "There is no time left for that within max_timeout." in str(error)
    assert (error.status, error.retry_after) == (429, 3600)


def test_nothing_is_sent_after_the_deadline(connect: Connect) -> None:
    with ScriptedServer([]) as server:
        error = refused(connect(server), deadline=time.monotonic() - 1)
        assert not server.requests
    assert "max_timeout was over before the request could be sent" in str(error)


def test_without_a_deadline_patience_ends_too(connect: Connect) -> None:
    with ScriptedServer([busy(Retry_After="3600")]) as server:
        assert "Without max_timeout it is waited for 120 s in all." in str(refused(connect(server)))


def test_who_comes_while_the_server_rests_longer_than_there_is_time_is_told(connect: Connect) -> None:
    spent = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20s"}
    with ScriptedServer([Reply("ok", headers=spent)]) as server:
        client = connect(server)
        ask(client)
        error = refused(client, deadline=time.monotonic() + 5)
        assert len(server.requests) == 1
    assert "asks to be left alone for" in str(error)


def test_a_limit_that_is_used_up_is_waited_for(connect: Connect) -> None:
    spent = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1s"}
    with ScriptedServer([Reply("first", headers=spent), Reply("second")]) as server:
        client, other = connect(server), connect(server)
        ask(client)
        assert ask(other).text == "second"
        first, second = server.requests
    assert second.arrived - first.arrived >= 0.95


def test_silence_is_borne_twice(connect: Connect, on_text: Watcher) -> None:
    with ScriptedServer(lambda _: Reply("late", delay=60)) as server:
        error = refused(connect(server, timeout=0.3), on_text)
        assert (type(error), error.retries, len(server.requests)) == (ClientError, 2, 3)
    assert "sent nothing for 0.3 s although the reply was not complete (after 2 retries)" in str(error)


def test_where_nobody_has_ever_answered_is_soon_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = refused(OpenAIClient("small", base_url=f"http://127.0.0.1:{port}/v1"))
    assert error.retries == 2
    assert "refused the connection: nothing answers there (after 2 retries)" in str(error)


def test_a_call_that_waits_for_its_turn_can_be_cancelled(connect: Connect) -> None:
    with ScriptedServer([busy(Retry_After="20"), Reply("ok")]) as server:
        client = connect(server)
        future = submit(client.acompletion(ModelRequest([{"role": "user", "content": "How many?"}])))
        server.wait_for(1)
        server.wait_idle()
        future.cancel()
        assert ask(client).text == "ok"
        assert len(server.requests) == 2


@pytest.mark.parametrize("value", ["0", "-1", formatdate(0, usegmt=True)], ids=["0", "below", "past"])
def test_a_server_that_says_at_once_for_ever_is_not_asked_in_a_hot_loop(connect: Connect, value: str) -> None:
    with ScriptedServer(lambda _: Reply("busy", status=429, headers={"Retry-After": value})) as server:
        refused(connect(server), deadline=time.monotonic() + 2.0)
        assert len(server.requests) <= 9  # each wait is twice as long as the one before


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_wants_an_hour_is_given_up_at_once_also_by_those_who_come_later(
    connect: Connect, status: int
) -> None:
    with ScriptedServer(lambda _: busy(status, Retry_After="3600")) as server:
        client = connect(server)
        errors = [refused(client) for _ in range(4)]
        assert "The next request would be due in 60 min" in str(errors[0])
        assert "asks to be left alone for 60 min" in str(errors[-1])
        assert len(server.requests) == 2  # and nothing once it refuses whatever it is sent


def test_those_who_wait_for_their_turn_go_when_the_server_wants_an_hour(connect: Connect) -> None:
    message = ModelRequest([{"role": "user", "content": "How many?"}])
    with ScriptedServer(lambda request: busy(429, Retry_After="1" if request.number <= 4 else "3600")) as server:
        client = connect(server)
        calls = [submit(client.acompletion(message)) for _ in range(20)]
        for call in calls:
            with pytest.raises(ClientError):
                call.result(60)


@pytest.mark.parametrize("first", [BrokenReplyError, SilenceError])
def test_a_server_that_took_a_request_is_there(first: type[ClientError]) -> None:
    """It is given as long to come back as one that has answered."""
    failures: list[ClientError] = [
        first("cut", retryable=True),
        *(ClientError("gone", retryable=True) for _ in range(4)),
    ]
    for number, failure in enumerate(failures):
        failure.retry_after, failure.retries = 0.001, number

    async def attempt(retries: int) -> str:
        if failures:
            raise failures.pop(0)
        return f"after {retries}"

    assert asyncio.run(persist(attempt, Throttle())) == "after 5"


def test_those_who_were_refused_at_once_do_not_come_back_at_once() -> None:
    waits: list[float] = []

    class Watching:
        def waits(self) -> None: ...

        def sends(self) -> None: ...

        async def failed(self, _: ClientError, wait: float) -> None:
            waits.append(wait)

    async def attempt(retries: int) -> str:
        if not retries:
            msg = "busy"
            raise ClientError(msg, status=409, retryable=True, retry_after=0.05)
        return "ok"

    async def all_at_once() -> None:
        await asyncio.gather(*(persist(attempt, Throttle(), attempts=Watching()) for _ in range(20)))

    asyncio.run(all_at_once())
    assert len(set(waits)) == 20
    assert min(waits) >= 0.05
