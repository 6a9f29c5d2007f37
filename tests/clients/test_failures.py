"""Servers that refuse, break off or are not there, and what the user is told."""

from __future__ import annotations

import json
import socket
import threading

import pytest
from network_client import AT_ONCE, KEY, Connect, Watcher, ask, refused
from scripted_server import Reply, ScriptedServer

from rlm_jupyter.clients.io_thread import submit
from rlm_jupyter.clients.openai import OpenAIClient
from rlm_jupyter.core.errors import ClientError
from rlm_jupyter.core.pictures import Picture
from rlm_jupyter.core.protocols import ModelRequest

# --- Broken connections -----------------------------------------------------------------------------------------------


def test_a_stream_that_is_cut_after_text_is_taken_back_and_asked_for_again(connect: Connect) -> None:
    pieces: list[str | None] = []
    cut, whole = Reply(chunks=["There ", "are ", "four."], cut_after=2), Reply(chunks=["Fo", "ur."])
    with ScriptedServer([cut, whole]) as server:
        reply = ask(connect(server), on_text=pieces.append)
        assert len(server.requests) == 2
    assert pieces == ["There ", "are ", None, "Fo", "ur."]
    assert (reply.text, reply.retries) == ("Four.", 1)


def test_a_stream_that_is_cut_after_text_says_so_where_it_is_not_asked_for_again(connect: Connect) -> None:
    with ScriptedServer([Reply(chunks=["There ", "are ", "four."], cut_after=2)]) as server:
        error = refused(connect(server, max_retries=0), lambda _: None)
    assert "cut the connection before the reply was complete, 10 characters into it" in str(error)
    assert error.retryable


def test_a_stream_that_just_ends_is_cut_too(connect: Connect) -> None:
    event = {"choices": [{"index": 0, "delta": {"content": "There are"}, "finish_reason": None}]}
    body = b'data: %s\n\ndata: {"choices": [{"ind' % json.dumps(event).encode()
    with ScriptedServer([Reply(body=body)]) as server:
        assert "9 characters into it" in str(refused(connect(server, max_retries=0), lambda _: None))


def test_a_stream_that_is_cut_after_its_end_is_whole(connect: Connect) -> None:
    event = {"choices": [{"index": 0, "delta": {"content": "Four."}, "finish_reason": "stop"}]}
    with ScriptedServer([Reply(body=b"data: %s\n\n" % json.dumps(event).encode())]) as server:
        assert ask(connect(server), on_text=lambda _: None).text == "Four."


def test_an_error_in_the_middle_of_a_stream_is_told(connect: Connect) -> None:
    events = [{"choices": [{"delta": {"content": "There"}}]}, {"error": {"message": "out of memory"}}]
    body = b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events)
    with ScriptedServer([Reply(body=body)]) as server:
        assert "out of memory." in str(refused(connect(server, max_retries=0), lambda _: None))


def test_what_broke_before_there_was_text_is_asked_again(connect: Connect, on_text: Watcher) -> None:
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


def test_silence_ends_with_the_timeout(connect: Connect, on_text: Watcher) -> None:
    with ScriptedServer(lambda _: Reply("late", delay=60)) as server:
        error = refused(connect(server, timeout=0.5, max_retries=0), on_text)
    assert "sent nothing for 0.5 s" in str(error)
    assert "raise timeout" in str(error)


def test_silence_in_the_middle_of_a_stream_ends_with_the_timeout(connect: Connect) -> None:
    with ScriptedServer([Reply(chunks=["There ", "are"], pause=60)]) as server:
        error = refused(connect(server, timeout=1, max_retries=0), lambda _: None)
    assert "sent nothing for 1 s although the reply was not complete, 6 characters into it" in str(error)


# --- Refusals ---------------------------------------------------------------------------------------------------------


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
def test_a_refusal_says_what_happened_and_what_to_do(
    connect: Connect, on_text: Watcher, status: int, said: str
) -> None:
    with ScriptedServer(lambda _: Reply("No, thank you", status=status, headers=AT_ONCE)) as server:
        error = refused(connect(server, api_key=KEY, max_retries=0), on_text)
    host = server.base_url.split("/")[2]
    assert str(error).startswith(f"{host} answered {status}: No, thank you. ")
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
    assert error.__context__ is None


def test_a_server_that_wants_a_key_and_got_none(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with ScriptedServer([Reply("Who are you?", status=401)]) as server:
        error = refused(connect(server))
    assert "No API key was sent to it: pass api_key=... or set RLM_JUPYTER_API_KEY" in str(error)


def test_the_variable_with_the_wrong_key_is_named(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLM_JUPYTER_API_KEY", KEY)
    with ScriptedServer([Reply("Who are you?", status=401)]) as server:
        assert "Check the environment variable RLM_JUPYTER_API_KEY" in str(refused(connect(server)))


def test_a_prompt_with_pictures_may_be_refused_for_them(connect: Connect) -> None:
    picture = Picture("image/png", b"\x89PNG\r\n\x1a\n")
    with ScriptedServer([Reply("no", status=400)] * 2) as server:
        client = connect(server)
        assert "reads pictures" not in str(refused(client))
        asked = ModelRequest([{"role": "user", "content": "[image]", "parts": (picture,)}])
        with pytest.raises(ClientError, match=r"fits the model 'small', and that it reads pictures\."):
            submit(client.acompletion(asked)).result(60)
