"""The network client against a server that does what servers do, over a real socket."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest
from scripted_server import ChatRequest, Reply, ScriptedServer

from rlm_jupyter.clients.io_thread import submit
from rlm_jupyter.clients.openai import OpenAIClient
from rlm_jupyter.core.errors import ClientError, ConfigurationError
from rlm_jupyter.core.protocols import ModelReply, ModelRequest
from rlm_jupyter.core.usage import Usage

OnText: TypeAlias = Callable[[str], None] | None
Connect: TypeAlias = Callable[..., OpenAIClient]

KEY = "sk-test-0123456789abcdef"
AT_ONCE = {"Retry-After-Ms": "1"}
VARIABLES = ("API_KEY", "BASE_URL", "ORG_ID", "PROJECT_ID", "CUSTOM_HEADERS", "ADMIN_KEY")


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(f"OPENAI_{name}", raising=False)
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    monkeypatch.delenv("RLM_JUPYTER_API_KEY", raising=False)


def ask(client: OpenAIClient, prompt: str = "How many?", on_text: OnText = None, **request: Any) -> ModelReply:
    message = ModelRequest([{"role": "user", "content": prompt}], **request)
    return submit(client.acompletion(message, on_text)).result(30)


def refused(client: OpenAIClient, on_text: OnText = None) -> ClientError:
    with pytest.raises(ClientError) as caught:
        ask(client, on_text=on_text)
    return caught.value


@pytest.fixture(params=[None, lambda _: None], ids=["plain", "stream"])
def on_text(request: pytest.FixtureRequest) -> OnText:
    """Whoever asks once for a plain reply and once for a stream."""
    watcher: OnText = request.param
    return watcher


@pytest.fixture
def connect() -> Iterator[Callable[..., OpenAIClient]]:
    clients: list[OpenAIClient] = []

    def make(server: ScriptedServer, **options: Any) -> OpenAIClient:
        clients.append(OpenAIClient("small", base_url=server.base_url, **options))
        return clients[-1]

    yield make
    for client in clients:
        submit(client.aclose()).result(10)


# --- Replies ---------------------------------------------------------------------------------------------------------


def test_a_reply_says_what_the_server_said(connect: Connect) -> None:
    with ScriptedServer(["There are four."]) as server:
        reply = ask(connect(server))
    assert reply == ModelReply(
        text="There are four.",
        model="small",
        usage=Usage(input_tokens=2, output_tokens=3),
        finish_reason="stop",
        response_id="chatcmpl-1",
    )
    assert server.requests[0].messages == [{"role": "user", "content": "How many?"}]
    assert not server.requests[0].stream


def test_sampling_and_model_go_as_they_are_and_the_request_wins(connect: Connect) -> None:
    with ScriptedServer(["ok"]) as server:
        client = connect(server, sampling_args={"temperature": 0.2, "seed": 1, "top_k": 40, "max_tokens": 9})
        ask(client, model="other", sampling={"seed": 2})
    sent = {name: value for name, value in server.requests[0].body.items() if name != "messages"}
    assert sent == {"model": "other", "temperature": 0.2, "seed": 2, "top_k": 40, "max_tokens": 9}


def test_a_stream_hands_over_each_piece_as_it_comes(connect: Connect) -> None:
    pieces: list[str] = []
    with ScriptedServer([Reply(chunks=["There ", "are ", "four."])]) as server:
        reply = ask(connect(server), on_text=pieces.append)
    assert pieces == ["There ", "are ", "four."]
    assert reply.text == "There are four."
    assert reply.usage == Usage(input_tokens=2, output_tokens=3)
    assert (reply.finish_reason, reply.response_id) == ("stop", "chatcmpl-1")


def test_calls_one_after_the_other_share_a_connection(connect: Connect) -> None:
    with ScriptedServer(lambda request: f"reply {request.number}") as server:
        client = connect(server)
        for _ in range(3):
            ask(client)
            ask(client, on_text=lambda _: None)
    assert len({request.connection for request in server.requests}) == 1


# --- A stream and a plain reply are read alike ------------------------------------------------------------------------


def test_a_server_that_counts_nothing_is_no_error(connect: Connect, on_text: OnText) -> None:
    with ScriptedServer([Reply("ok", usage=None)]) as server:
        assert ask(connect(server), on_text=on_text).usage == Usage()


def test_what_it_counts_is_reported(connect: Connect, on_text: OnText) -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 12},
        "cost": 0.0021,
    }
    with ScriptedServer([Reply("ok", usage=usage)]) as server:
        assert ask(connect(server), on_text=on_text).usage == Usage(100, 20, 64, 12, 0.0021)


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": None, "completion_tokens": "many", "cost": "cheap"},
        {"prompt_tokens": -1, "prompt_tokens_details": None, "cost": float("inf")},
        {"prompt_tokens_details": [], "completion_tokens": True, "cost": -1},
    ],
)
def test_counts_that_make_no_sense_are_unknown(connect: Connect, on_text: OnText, usage: dict[str, Any]) -> None:
    with ScriptedServer([Reply("ok", usage=usage)]) as server:
        assert ask(connect(server), on_text=on_text).usage == Usage()


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (Reply(""), ""),
        (Reply(None), ""),
        (Reply(None, message={"refusal": "I may not say."}), "I may not say."),
        (Reply("Four.", message={"reasoning_content": "Let me count."}), "Four."),
        (
            Reply("", message={"content": [{"type": "text", "text": "Fo"}, {"type": "text", "text": "ur."}]}),
            "Four.",
        ),
        (Reply("Four.", message={"tool_calls": [{"function": {"name": "count"}}]}), "Four."),
    ],
    ids=["empty", "none", "refusal", "reasoning", "parts", "text-and-tool"],
)
def test_the_text_is_found(connect: Connect, on_text: OnText, reply: Reply, text: str) -> None:
    with ScriptedServer([reply]) as server:
        assert ask(connect(server), on_text=on_text).text == text


def test_a_tool_call_instead_of_text_is_an_error(connect: Connect, on_text: OnText) -> None:
    with ScriptedServer([Reply(None, message={"tool_calls": [{"function": {"name": "count"}}]})]) as server:
        assert "called the tool count instead of answering in text" in str(refused(connect(server), on_text))


@pytest.mark.parametrize(
    "body",
    [
        b"<html><body>Welcome to nginx</body></html>",
        b'{"choices": [{"mess',
        b"[1, 2]",
        b'{"hello": "world"}',
        b"\xff\xfe\xff",
        b"[" * 100_000,
    ],
    ids=["html", "broken", "list", "other", "bytes", "deep"],
)
def test_garbage_is_named_as_such(connect: Connect, on_text: OnText, body: bytes) -> None:
    with ScriptedServer([Reply(body=body)]) as server:
        error = refused(connect(server), on_text)
    assert "sent something that is not a chat completion" in str(error)
    assert "most end in /v1" in str(error)
    assert len(str(error)) < 1000


def test_a_reply_without_choices_is_an_error(connect: Connect, on_text: OnText) -> None:
    with ScriptedServer([Reply(stream=False, completion={"choices": []})]) as server:
        assert "without any choice" in str(refused(connect(server), on_text))


def test_an_error_sent_with_status_200_is_an_error(connect: Connect, on_text: OnText) -> None:
    body = json.dumps({"error": {"message": "The provider is down", "code": 502}}).encode()
    with ScriptedServer([Reply(body=body)]) as server:
        error = refused(connect(server), on_text)
    assert "The provider is down." in str(error)
    assert (error.status, error.retryable) == (502, True)


def test_of_several_choices_the_first_counts(connect: Connect, on_text: OnText) -> None:
    part = "message" if on_text is None else "delta"
    choices = [{"index": 0, part: {"content": "A"}}, {"index": 1, part: {"content": "B"}}]
    last = [{"index": 0, "finish_reason": "stop"}]
    body = (
        json.dumps({"choices": choices}).encode()
        if on_text is None
        else b"".join(b"data: %s\n\n" % json.dumps({"choices": each}).encode() for each in (choices, last))
    )
    with ScriptedServer([Reply(body=body)]) as server:
        assert ask(connect(server), on_text=on_text).text == "A"


# --- Servers that know less ------------------------------------------------------------------------------------------


def test_a_server_that_refuses_stream_options_is_asked_without_from_then_on(connect: Connect) -> None:
    def script(request: ChatRequest) -> Reply:
        if "stream_options" in request.body:
            return Reply("Unknown field: stream_options", status=400)
        return Reply("ok")

    pieces: list[str] = []
    with ScriptedServer(script) as server:
        client = connect(server)
        first, second = ask(client, on_text=pieces.append), ask(client, on_text=pieces.append)
    assert pieces == ["ok", "ok"]
    assert [request.stream for request in server.requests] == [True, True, True]
    assert (first.retries, second.retries) == (1, 0)
    assert first.usage == Usage()


def test_a_server_that_refuses_streams_is_asked_plainly_from_then_on(connect: Connect) -> None:
    def script(request: ChatRequest) -> Reply:
        return Reply("You must be verified to stream this model.", status=400) if request.stream else Reply("ok")

    pieces: list[str] = []
    with ScriptedServer(script) as server:
        client = connect(server)
        ask(client, on_text=pieces.append)
        ask(client, on_text=pieces.append)
    assert pieces == ["ok", "ok"]
    assert [request.stream for request in server.requests] == [True, False, False]


def test_a_refusal_of_something_else_is_not_taken_for_one_of_streams(connect: Connect) -> None:
    with ScriptedServer(lambda _: Reply("upstream refused: bad seed", status=400)) as server:
        refused(connect(server), lambda _: None)
        assert len(server.requests) == 1


def test_a_server_that_answers_a_stream_plainly_is_understood(connect: Connect) -> None:
    pieces: list[str] = []
    with ScriptedServer([Reply("All at once.", stream=False)]) as server:
        reply = ask(connect(server), on_text=pieces.append)
    assert (pieces, reply.text) == (["All at once."], "All at once.")


def test_a_stream_may_come_in_any_slices_with_comments_and_without_a_last_line_end(connect: Connect) -> None:
    events = [{"choices": [{"delta": {"content": piece}}]} for piece in ("día ", "\u2028", "四")]
    lines = [": working", "event: message", *(f"data:{json.dumps(event, ensure_ascii=False)}\r\n" for event in events)]
    body = "\r\n".join([*lines, "data: [DONE]"]).encode()
    with ScriptedServer([Reply(body=body)]) as server:
        assert ask(connect(server), on_text=lambda _: None).text == "día \u2028四"


# --- Text that is no text --------------------------------------------------------------------------------------------


def test_half_a_character_in_a_prompt_does_not_end_the_run(connect: Connect) -> None:
    with ScriptedServer(["ok"]) as server:
        ask(connect(server), "broken \ud800 text")
    assert server.requests[0].prompt == "broken ? text"


def test_a_character_in_two_halves_is_put_together(connect: Connect) -> None:
    with ScriptedServer([Reply(chunks=["\ud83d", "\ude00"])]) as server:
        assert ask(connect(server), on_text=lambda _: None).text == "\U0001f600"


# --- Broken connections ----------------------------------------------------------------------------------------------


def test_a_stream_that_is_cut_after_text_is_an_error_and_not_asked_again(connect: Connect) -> None:
    pieces: list[str] = []
    with ScriptedServer(lambda _: Reply(chunks=["There ", "are ", "four."], cut_after=2)) as server:
        error = refused(connect(server), pieces.append)
        assert len(server.requests) == 1
    assert pieces == ["There ", "are "]
    assert "cut the connection before the reply was complete, 10 characters into it" in str(error)
    assert error.retryable


def test_a_stream_that_just_ends_is_cut_too(connect: Connect) -> None:
    event = {"choices": [{"index": 0, "delta": {"content": "There are"}, "finish_reason": None}]}
    body = b'data: %s\n\ndata: {"choices": [{"ind' % json.dumps(event).encode()
    with ScriptedServer([Reply(body=body)]) as server:
        assert "9 characters into it" in str(refused(connect(server), lambda _: None))


def test_a_stream_that_is_cut_after_its_end_is_whole(connect: Connect) -> None:
    event = {"choices": [{"index": 0, "delta": {"content": "Four."}, "finish_reason": "stop"}]}
    with ScriptedServer([Reply(body=b"data: %s\n\n" % json.dumps(event).encode())]) as server:
        assert ask(connect(server), on_text=lambda _: None).text == "Four."


def test_an_error_in_the_middle_of_a_stream_is_told(connect: Connect) -> None:
    events = [{"choices": [{"delta": {"content": "There"}}]}, {"error": {"message": "out of memory"}}]
    body = b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events)
    with ScriptedServer([Reply(body=body)]) as server:
        assert "out of memory." in str(refused(connect(server), lambda _: None))


def test_what_broke_before_there_was_text_is_asked_again(connect: Connect, on_text: OnText) -> None:
    with ScriptedServer([Reply("lost", cut_after=0), Reply("ok")]) as server:
        reply = ask(connect(server), on_text=on_text)
    assert (reply.text, reply.retries, len(server.requests)) == ("ok", 1, 2)


def test_a_server_that_keeps_a_stream_open_after_its_end_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        left = threading.Event()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                event = json.dumps({"choices": [{"delta": {"content": "ok"}}]})
                head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
                connection.sendall(f"{head}data: {event}\n\ndata: [DONE]\n\n".encode())
                connection.recv(65536)
                left.set()

        threading.Thread(target=serve, daemon=True).start()
        client = OpenAIClient("small", base_url=f"http://127.0.0.1:{port}/v1")
        assert ask(client, on_text=lambda _: None).text == "ok"
        assert left.wait(10)
        submit(client.aclose()).result(10)


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = refused(OpenAIClient("small", base_url=f"http://127.0.0.1:{port}/v1", max_retries=0))
    assert f"127.0.0.1:{port} refused the connection" in str(error)
    assert "Start the server, or check base_url" in str(error)
    assert error.retryable


def test_no_such_host() -> None:
    error = refused(OpenAIClient("small", base_url="http://nowhere.invalid/v1", max_retries=0))
    assert "nowhere.invalid is not known" in str(error)


@pytest.mark.parametrize(
    ("answer", "said"),
    [(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "is not HTTP"), (b"", "cut the connection before the reply was complete")],
    ids=["not-http", "hangs-up"],
)
def test_what_listens_is_no_web_server(answer: bytes, said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        assert said in str(refused(OpenAIClient("small", base_url=address, max_retries=0)))


def test_silence_ends_with_the_timeout(connect: Connect, on_text: OnText) -> None:
    with ScriptedServer(lambda _: Reply("late", delay=60)) as server:
        error = refused(connect(server, timeout=0.5, max_retries=0), on_text)
    assert "sent nothing for 0.5 s" in str(error)
    assert "raise timeout" in str(error)


def test_silence_in_the_middle_of_a_stream_ends_with_the_timeout(connect: Connect) -> None:
    with ScriptedServer([Reply(chunks=["There ", "are"], pause=60)]) as server:
        error = refused(connect(server, timeout=1), lambda _: None)
    assert "sent nothing for 1 s although the reply was not complete, 6 characters into it" in str(error)


# --- Refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
def test_what_may_pass_is_asked_again_and_counted(connect: Connect, status: int) -> None:
    busy = Reply("busy", status=status, headers=AT_ONCE)
    with ScriptedServer([busy, busy, Reply("ok")]) as server:
        reply = ask(connect(server))
        assert (reply.text, reply.retries, len(server.requests)) == ("ok", 2, 3)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "Check sampling_args, and that the prompt fits the model 'small'"),
        (401, "Check the api_key argument"),
        (402, "Check the account's credit"),
        (403, "Check the api_key argument"),
        (404, "Check that the model 'small' exists there"),
        (413, "send less of it at once"),
        (418, "Check base_url"),
        (422, "Check sampling_args"),
        (429, "lower max_concurrent_subcalls"),
        (500, "ask again later"),
    ],
)
def test_a_refusal_says_what_happened_and_what_to_do(connect: Connect, on_text: OnText, status: int, said: str) -> None:
    with ScriptedServer(lambda _: Reply("No, thank you", status=status, headers=AT_ONCE)) as server:
        error = refused(connect(server, api_key=KEY, max_retries=1), on_text)
    host = server.base_url.split("/")[2]
    after = " (after 1 retry)" if error.retryable else ""
    assert str(error).startswith(f"{host} answered {status}{after}: No, thank you. ")
    assert said in str(error)
    assert error.status == status
    assert error.retryable == (status in (429, 500))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "it gave no reason."),
        (b"<html>Bad gateway</html>", "it sent an HTML page."),
        (b"not\n today", "not today."),
        (b'{"error": "model not found"}', "model not found."),
        (b'{"detail": "Not Found"}', "Not Found."),
        (b'{"object": "error", "message": "too long!"}', "too long!"),
    ],
)
def test_the_server_is_quoted_whatever_form_it_chose(connect: Connect, body: bytes, said: str) -> None:
    with ScriptedServer([Reply(status=400, body=body)]) as server:
        assert f"answered 400: {said} " in str(refused(connect(server)))


def test_a_key_that_the_server_repeats_is_not_printed(connect: Connect) -> None:
    with ScriptedServer([Reply(f"Incorrect API key provided: {KEY}", status=401)]) as server:
        error = refused(connect(server, api_key=KEY))
    assert "Incorrect API key provided: [redacted]." in str(error)
    assert error.__suppress_context__
    assert error.__cause__ is None


def test_a_server_that_wants_a_key_and_got_none(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with ScriptedServer([Reply("Who are you?", status=401)]) as server:
        error = refused(connect(server))
    assert "No API key was sent to it: pass api_key=... or set RLM_JUPYTER_API_KEY" in str(error)


def test_the_variable_with_the_wrong_key_is_named(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLM_JUPYTER_API_KEY", KEY)
    with ScriptedServer([Reply("Who are you?", status=401)]) as server:
        assert "Check the environment variable RLM_JUPYTER_API_KEY" in str(refused(connect(server)))


# --- Cancelling ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_a_cancelled_call_closes_its_request(connect: Connect, stream: bool) -> None:
    came = threading.Event()
    with ScriptedServer([Reply(chunks=["There ", "are"], delay=0 if stream else 60, pause=60)]) as server:
        client = connect(server)
        request = ModelRequest([{"role": "user", "content": "How many?"}])
        future = submit(client.acompletion(request, (lambda _: came.set()) if stream else None))
        server.wait_for(1)
        assert not stream or came.wait(10)
        future.cancel()
        server.wait_idle()
        assert len(server.requests) == 1


# --- Keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "options", "sent"),
    [
        ({}, {}, "Bearer none"),
        ({"OPENAI_API_KEY": KEY, "OPENROUTER_API_KEY": KEY}, {}, "Bearer none"),
        ({"RLM_JUPYTER_API_KEY": "sk-mine"}, {}, "Bearer sk-mine"),
        ({"RLM_JUPYTER_API_KEY": "sk-mine"}, {"api_key": "sk-given\n"}, "Bearer sk-given"),
        ({"RLM_JUPYTER_API_KEY": "sk-mine"}, {"default_headers": {"authorization": "Token t"}}, "Token t"),
    ],
    ids=["none", "not-for-strangers", "own", "argument", "header"],
)
def test_a_key_goes_to_the_server_that_it_is_for(
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    options: dict[str, Any],
    sent: str,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with ScriptedServer(["ok"]) as server:
        ask(connect(server, **options))
    assert server.requests[0].headers["Authorization"] == sent


def test_what_the_environment_holds_for_openai_stays_from_others(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ORG_ID", "PROJECT_ID", "ADMIN_KEY"):
        monkeypatch.setenv(f"OPENAI_{name}", "sk-private")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gate: sk-private\nAuthorization: sk-private\nX-Mine: sk-private")
    with ScriptedServer(["ok"]) as server:
        ask(connect(server, organization="given", default_headers={"X-Mine": "given"}))
    headers = server.requests[0].headers
    assert "sk-private" not in headers.values()
    assert (headers["OpenAI-Organization"], headers["X-Mine"]) == ("given", "given")


def test_credentials_in_the_address_are_sent_as_a_header_and_shown_nowhere() -> None:
    with ScriptedServer([Reply("ok"), Reply("no model for ada:p@ss", status=404)]) as server:
        client = OpenAIClient("small", base_url=server.base_url.replace("//", "//ada:p%40ss@"))
        ask(client)
        error = refused(client)
    login = base64.b64encode(b"ada:p@ss").decode()
    assert server.requests[0].headers["Authorization"] == f"Basic {login}"
    assert {"ada", "p@ss", login} <= set(client.secrets)
    assert client.base_url == server.base_url
    assert "ada" not in str(error)
    assert "p@ss" not in str(error)
    submit(client.aclose()).result(10)


@pytest.mark.parametrize(
    ("base_url", "variable"),
    [
        (None, "OPENAI_API_KEY"),
        ("https://eu.api.openai.com/v1", "OPENAI_API_KEY"),
        ("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    ],
)
def test_a_provider_gets_its_own_key_and_no_other(
    monkeypatch: pytest.MonkeyPatch, base_url: str | None, variable: str
) -> None:
    for name in ("OPENAI_API_KEY", "OPENROUTER_API_KEY", "RLM_JUPYTER_API_KEY"):
        monkeypatch.setenv(name, f"the-{name}")
    assert f"the-{variable}" in OpenAIClient("small", base_url=base_url).secrets
    monkeypatch.delenv(variable)
    with pytest.raises(ConfigurationError) as caught:
        OpenAIClient("small", base_url=base_url)
    for way_out in (f"set {variable} or pass api_key", "base_url=", 'backend="offline"'):
        assert way_out in str(caught.value)


@pytest.mark.parametrize("base_url", ["https://api.openai.com.evil.example/v1", "http://api.openai.com/v1"])
def test_a_key_is_neither_sent_to_a_look_alike_nor_in_the_open(monkeypatch: pytest.MonkeyPatch, base_url: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert OpenAIClient("small", base_url=base_url).secrets == ()


def test_the_address_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(["ok"]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        client = OpenAIClient("small")
        assert ask(client).text == "ok"
        submit(client.aclose()).result(10)


def test_secrets_are_the_key_and_what_looks_like_one(connect: Connect) -> None:
    headers = {"X-Api-Key": "in-a-header", "Cookie": "session in-a-cookie", "X-Title": "my notebook"}
    query = {"api-version": "2024-10", "access_token": "in-the-query"}
    with ScriptedServer(["ok"]) as server:
        client = connect(server, api_key=KEY, default_headers=headers, default_query=query)
        ask(client)
    assert {KEY, "in-a-header", "in-a-cookie", "in-the-query"} <= set(client.secrets)
    assert not {"my notebook", "notebook", "2024-10"} & set(client.secrets)
    assert server.requests[0].headers["X-Title"] == "my notebook"
    assert "api-version=2024-10" in server.requests[0].path
    assert KEY not in repr(client)


# --- Arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model_name": ""}, "model_name must be the name of a model"),
        ({"timeout": 0}, "timeout must be a number of seconds above 0"),
        ({"timeout": "5"}, "timeout must be a number of seconds above 0"),
        ({"max_retries": -1}, "max_retries must be a whole number"),
        ({"temprature": 1}, "has no option temprature. It has: model_name, api_key"),
        ({"sampling_args": "hot"}, "sampling_args must be a dictionary"),
        ({"default_query": ["a"]}, "default_query must be a dictionary"),
        ({"api_key": 5}, "api_key must be a string"),
        ({"base_url": b"http://host"}, "base_url must be a string"),
        ({"api_key": "sk-two words"}, "copy it again"),
        ({"default_headers": {"X-Name": "line\nbreak"}}, "The header 'X-Name'"),
        ({"default_headers": {"X-Name": 5}}, "The header 'X-Name'"),
        ({"base_url": "localhost:11434"}, "is not the address of a server"),
        ({"base_url": "ftp://host/v1"}, "is not the address of a server"),
        ({"base_url": "http://host:port/v1"}, "is not the address of a server"),
        ({"base_url": "http://ada:pw@/v1"}, "is not the address of a server"),
        ({"base_url": "http://host/v1?key=1"}, "default_query"),
        ({"base_url": "http://ada:pw@host/v1", "api_key": KEY}, "leave one of them out"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused_at_once(options: dict[str, Any], said: str) -> None:
    arguments = {"model_name": "small", "base_url": "http://localhost:1/v1", **options}
    with pytest.raises(ConfigurationError) as caught:
        OpenAIClient(**arguments)
    assert said in str(caught.value)
    assert KEY not in str(caught.value)
    assert "pw" not in str(caught.value)


def test_sampling_that_is_no_json_is_the_callers_error(connect: Connect) -> None:
    with ScriptedServer([]) as server, pytest.raises(ConfigurationError, match="plain values in sampling_args"):
        ask(connect(server, sampling_args={"stop": {1, 2}}))


def test_a_client_of_ones_own_is_used_and_must_be_one(connect: Connect) -> None:
    import httpx2

    with ScriptedServer(["ok"]) as server:
        own = httpx2.AsyncClient(headers={"X-Own": "yes"})
        assert ask(connect(server, http_client=own)).text == "ok"
        assert server.requests[0].headers["X-Own"] == "yes"
        with pytest.raises(ConfigurationError, match=r"must be an httpx2\.AsyncClient, not str"):
            ask(connect(server, http_client="client"))


# --- Life and death --------------------------------------------------------------------------------------------------


def test_a_client_can_be_used_in_one_loop_after_another_and_closed_twice() -> None:
    request = ModelRequest([{"role": "user", "content": "How many?"}])

    with ScriptedServer(lambda _: "ok") as server:
        client = OpenAIClient("small", base_url=server.base_url)

        async def ask_and_close() -> str:
            reply = await client.acompletion(request)
            await client.aclose()
            await client.aclose()
            return reply.text

        assert [asyncio.run(ask_and_close()) for _ in range(2)] == ["ok", "ok"]


def test_openai_is_imported_at_the_first_call() -> None:
    code = """
import sys
from rlm_jupyter.clients.openai import OpenAIClient
OpenAIClient("small", base_url="http://localhost:1/v1", default_headers={"X-Title": "mine"})
slow = {"openai", "httpx", "httpx2", "aiohttp", "pydantic"} & set(sys.modules)
assert not slow, slow
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("ending", ["del client; import gc; gc.collect()", "pass"], ids=["forgotten", "at-exit"])
def test_a_client_that_nobody_closed_leaves_nothing_on_the_screen(ending: str) -> None:
    code = f"""
import sys
from rlm_jupyter.clients.io_thread import submit
from rlm_jupyter.clients.openai import OpenAIClient
from rlm_jupyter.core.protocols import ModelRequest
client = OpenAIClient("small", base_url=sys.argv[1])
request = ModelRequest([{{"role": "user", "content": "How many?"}}])
print(submit(client.acompletion(request)).result(30).text)
{ending}
"""
    with ScriptedServer(["ok"]) as server:
        done = subprocess.run(
            [sys.executable, "-c", code, server.base_url], check=True, timeout=60, capture_output=True, text=True
        )
    assert (done.stdout, done.stderr) == ("ok\n", "")


def test_openais_key_goes_with_openais_variable_for_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(lambda request: request.headers["Authorization"]) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "a-gateways-key")
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        assert ask(OpenAIClient("m")).text == "Bearer a-gateways-key"
        assert ask(OpenAIClient("m", base_url=server.base_url)).text == "Bearer none"
