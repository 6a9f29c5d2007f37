"""Replies as servers send them, whole and as streams, in every odd form."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from network_client import Connect, Watcher, ask, refused
from scripted_server import ChatRequest, Reply, ScriptedServer

from rlm_jupyter.clients.io_thread import submit
from rlm_jupyter.clients.openai import OpenAIClient
from rlm_jupyter.core.usage import Usage

# --- A stream and a plain reply are read alike ------------------------------------------------------------------------


def test_a_server_that_counts_nothing_is_no_error(connect: Connect, on_text: Watcher) -> None:
    with ScriptedServer([Reply("ok", usage=None)]) as server:
        assert ask(connect(server), on_text=on_text).usage == Usage()


def test_what_it_counts_is_reported(connect: Connect, on_text: Watcher) -> None:
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
def test_counts_that_make_no_sense_are_unknown(connect: Connect, on_text: Watcher, usage: dict[str, Any]) -> None:
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
def test_the_text_is_found(connect: Connect, on_text: Watcher, reply: Reply, text: str) -> None:
    with ScriptedServer([reply]) as server:
        assert ask(connect(server), on_text=on_text).text == text


NO_USAGE = "The server did not say how many tokens it took."


@pytest.mark.parametrize(
    ("reply", "notes"),
    [
        (Reply("Four."), []),
        (Reply("Four.", usage=None), [NO_USAGE]),
        (Reply(""), ["The reply is empty; the finish reason is stop."]),
        (
            Reply(None, finish_reason="length", usage={"completion_tokens_details": {"reasoning_tokens": 512}}),
            [
                "The reply is empty after 512 reasoning tokens; the finish reason is length.",
                "The reply was cut off where its tokens ended: raise max_tokens or max_completion_tokens.",
            ],
        ),
        (
            Reply("Fo", finish_reason="content_filter"),
            ["The provider's content filter held the reply, or part of it, back."],
        ),
        (
            Reply("Four.", message={"tool_calls": [{"function": {"name": "count"}}]}),
            ["The model called the tool count beside its text; the call was left out."],
        ),
    ],
    ids=["plain", "no-usage", "empty", "cut", "filtered", "tool"],
)
def test_what_is_odd_about_a_reply_is_noted(connect: Connect, on_text: Watcher, reply: Reply, notes: list[str]) -> None:
    with ScriptedServer([reply]) as server:
        assert list(ask(connect(server), on_text=on_text).notes) == notes


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_is_kept_and_is_not_text(connect: Connect, on_text: Watcher, field: str) -> None:
    pieces: list[str | None] = []
    with ScriptedServer([Reply("Four.", message={field: "Let me count."})]) as server:
        reply = ask(connect(server), on_text=pieces.append if on_text else None)
    assert (reply.text, reply.reasoning) == ("Four.", "Let me count.")
    assert "Let me count." not in pieces


def test_what_a_model_thinks_aloud_stays_in_its_text(connect: Connect, on_text: Watcher) -> None:
    with ScriptedServer(["<think>Let me count.</think>Four."]) as server:
        reply = ask(connect(server), on_text=on_text)
    assert (reply.text, reply.reasoning) == ("<think>Let me count.</think>Four.", None)


def test_an_event_that_is_no_json_is_left_out_and_noted(connect: Connect) -> None:
    events = [{"choices": [{"delta": {"content": piece}}]} for piece in ("Fo", "ur.")]
    first, second = (json.dumps(event).encode() for event in events)
    body = b'data: %s\n\ndata: {"choices": [}\n\ndata: [1]\n\ndata: %s\n\ndata: [DONE]\n\n' % (first, second)
    with ScriptedServer([Reply(body=body)]) as server:
        reply = ask(connect(server), on_text=lambda _: None)
    assert (reply.text, reply.retries) == ("Four.", 0)
    assert list(reply.notes) == [NO_USAGE, "2 of the stream's events could not be read and were left out."]


@pytest.mark.parametrize("bad", [Reply(body=b"not json"), Reply(stream=False, completion={"choices": []})])
def test_what_is_no_reply_is_asked_for_again_a_few_times(connect: Connect, on_text: Watcher, bad: Reply) -> None:
    with ScriptedServer([bad, bad, Reply("Four."), bad, bad, bad]) as server:
        client = connect(server)
        reply = ask(client, on_text=on_text)
        assert (reply.text, reply.retries) == ("Four.", 2)
        assert refused(client, on_text).retries == 2
        assert len(server.requests) == 6


def test_a_tool_call_instead_of_text_is_an_error(connect: Connect, on_text: Watcher) -> None:
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
def test_garbage_is_named_as_such(connect: Connect, on_text: Watcher, body: bytes) -> None:
    with ScriptedServer([Reply(body=body)]) as server:
        error = refused(connect(server, max_retries=0), on_text)
    assert "sent something that is not a chat completion" in str(error)
    assert "most end in /v1" in str(error)
    assert len(str(error)) < 1000


def test_a_reply_without_choices_is_an_error(connect: Connect, on_text: Watcher) -> None:
    with ScriptedServer([Reply(stream=False, completion={"choices": []})]) as server:
        assert "without any choice" in str(refused(connect(server, max_retries=0), on_text))


def test_an_error_sent_with_status_200_is_an_error(connect: Connect, on_text: Watcher) -> None:
    body = json.dumps({"error": {"message": "The provider is down", "code": 502}}).encode()
    with ScriptedServer([Reply(body=body)]) as server:
        error = refused(connect(server, max_retries=0), on_text)
    assert "The provider is down." in str(error)
    assert (error.status, error.retryable) == (502, True)


def test_of_several_choices_the_first_counts(connect: Connect, on_text: Watcher) -> None:
    part = "message" if on_text is None else "delta"
    choices = [{"index": 0, part: {"content": "A"}}, {"index": 1, part: {"content": "B"}}]
    last = [{"index": 0, "finish_reason": "stop"}]
    body = (
        json.dumps({"choices": choices}).encode()
        if on_text is None
        else b"".join(b"data: %s\n\n" % json.dumps({"choices": each}).encode() for each in (choices, last))
    )
    with ScriptedServer([Reply(body=body)]) as server:
        reply = ask(connect(server), on_text=on_text)
    assert reply.text == "A"
    assert "The server sent 2 choices; the first was taken." in reply.notes


# --- Servers that know less -------------------------------------------------------------------------------------------


def test_a_server_that_refuses_stream_options_is_asked_without_from_then_on(connect: Connect) -> None:
    def script(request: ChatRequest) -> Reply:
        if "stream_options" in request.body:
            return Reply("Unknown field: stream_options", status=400)
        return Reply("ok")

    pieces: list[str | None] = []
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

    pieces: list[str | None] = []
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
    pieces: list[str | None] = []
    with ScriptedServer([Reply("All at once.", stream=False)]) as server:
        reply = ask(connect(server), on_text=pieces.append)
    assert (pieces, reply.text) == (["All at once."], "All at once.")
    assert list(reply.notes) == ["The server sent the reply whole, although a stream was asked for."]


def test_a_stream_may_come_in_any_slices_with_comments_and_without_a_last_line_end(connect: Connect) -> None:
    events = [{"choices": [{"delta": {"content": piece}}]} for piece in ("día ", "\u2028", "四")]
    lines = [": working", "event: message", *(f"data:{json.dumps(event, ensure_ascii=False)}\r\n" for event in events)]
    body = "\r\n".join([*lines, "data: [DONE]"]).encode()
    with ScriptedServer([Reply(body=body)]) as server:
        assert ask(connect(server), on_text=lambda _: None).text == "día \u2028四"


def test_choices_that_are_counted_in_the_first_event_only_are_one(connect: Connect) -> None:
    events = [{"choices": [{"delta": {"content": text}}]} for text in "abc"]
    events[0]["choices"][0]["index"] = 0  # type: ignore[assignment]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    with ScriptedServer([Reply(body=body.encode())]) as server:
        assert ask(connect(server), on_text=lambda _: None).text == "abc"


def test_what_a_reply_without_a_choice_took_is_known(connect: Connect, on_text: Watcher) -> None:
    paid = {"prompt_tokens": 5, "completion_tokens": 7, "cost": 1.0}
    with ScriptedServer([Reply(completion={"choices": []}, usage=paid, stream=False)]) as server:
        error = refused(connect(server, max_retries=0), on_text)
    assert error.spent == Usage(input_tokens=5, output_tokens=7, cost=1.0)
    assert not error.refused


def test_an_error_after_half_a_reply_is_no_refusal(connect: Connect) -> None:
    events = [{"choices": [{"index": 0, "delta": {"content": "half"}}]}, {"error": {"code": 500, "message": "oh"}}]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    with ScriptedServer([Reply(body=body.encode())]) as server:
        error = refused(connect(server, max_retries=0), on_text=lambda _: None)
    assert (error.status, error.spent, error.refused) == (500, Usage(), False)


def test_comments_for_ever_are_silence() -> None:
    class Alive(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            with contextlib.suppress(OSError):
                while not given_up.wait(0.01):
                    self.wfile.write(b": alive\n\n")
                    self.wfile.flush()

        def log_message(self, *_: object) -> None:
            pass

    given_up = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Alive)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    client = OpenAIClient("m", base_url=f"http://127.0.0.1:{server.server_port}/v1", timeout=0.2, max_retries=0)
    try:
        assert "sent nothing for 0.2 s" in str(refused(client, on_text=lambda _: None))
    finally:
        given_up.set()
        submit(client.aclose()).result(10)
        server.shutdown()
        thread.join()
        server.server_close()
