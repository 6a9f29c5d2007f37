"""The network client against a server that does what servers do, over a real socket."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
import warnings
from typing import Any

import pytest
from network_client import KEY, Connect, ask
from scripted_server import Reply, ScriptedServer

from rlm_jupyter.clients.io_thread import submit
from rlm_jupyter.clients.openai import OpenAIClient
from rlm_jupyter.core.errors import ClientError, ConfigurationError
from rlm_jupyter.core.pictures import Picture
from rlm_jupyter.core.protocols import Client, Message, ModelReply, ModelRequest
from rlm_jupyter.core.usage import Usage

# --- Replies ----------------------------------------------------------------------------------------------------------


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


def test_no_server_is_told_of_the_users_system(connect: Connect) -> None:
    with ScriptedServer(["yes"]) as server:
        ask(connect(server))
        told = {name.lower() for name in server.requests[0].headers}
    assert {name for name in told if name.startswith("x-stainless")} == {"x-stainless-retry-count"}


def test_pictures_go_where_they_stand_between_the_texts(connect: Connect) -> None:
    picture = Picture("image/png", b"\x89PNG")
    message: Message = {
        "role": "user",
        "content": "Before [image 1: image/png] after",
        "parts": ["Before ", picture, " after"],
    }
    system: Message = {"role": "system", "content": "Look."}
    with ScriptedServer(["A cat."]) as server:
        client = connect(server)
        assert submit(client.acompletion(ModelRequest([system, message]))).result(60).text == "A cat."
    assert server.requests[0].messages == [
        {"role": "system", "content": "Look."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Before "},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture.base64}"}},
                {"type": "text", "text": " after"},
            ],
        },
    ]


def test_a_stream_hands_over_each_piece_as_it_comes(connect: Connect) -> None:
    pieces: list[str | None] = []
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


def test_calls_at_once_share_connections_with_those_after_them(connect: Connect) -> None:
    async def calls(client: Client) -> None:
        request = ModelRequest([{"role": "user", "content": "How many?"}])
        for _ in range(5):
            await asyncio.gather(*(client.acompletion(request) for _ in range(20)))

    with ScriptedServer(lambda _: Reply("ok", delay=0.05)) as server:
        submit(calls(connect(server))).result(60)
        assert len(server.requests) == 100
        assert len({request.connection for request in server.requests}) <= 20


def test_a_long_prompt_arrives_whole_and_takes_no_longer_than_the_sdk_takes(connect: Connect) -> None:
    import openai

    prompt = "The quick “brown” fox\n" * 450_000  # 10 MB
    body = {"model": "small", "messages": [{"role": "user", "content": prompt}]}

    async def seconds_of_the_sdk(base_url: str) -> float:
        async with openai.AsyncOpenAI(api_key=KEY, base_url=base_url, http_client=openai.DefaultAioHttpClient()) as sdk:
            began = time.process_time()  # of the whole process, the server's included: no other program's
            await sdk.chat.completions.create(**body)  # type: ignore[call-overload]
            return time.process_time() - began

    def seconds_of_ours(client: Client) -> float:
        began = time.process_time()
        ask(client, prompt)
        return time.process_time() - began

    with ScriptedServer(lambda _: "ok") as server, warnings.catch_warnings():
        client = connect(server)
        ask(client, prompt)
        assert server.requests[0].body == body
        warnings.simplefilter("ignore", ResourceWarning)  # aiohttp's, of what the SDK sends in one piece
        theirs = [submit(seconds_of_the_sdk(server.base_url)).result(60) for _ in range(4)]
        assert min(seconds_of_ours(client) for _ in range(4)) <= 1.5 * min(theirs)


# --- Text that is no text ---------------------------------------------------------------------------------------------


def test_half_a_character_in_a_prompt_does_not_end_the_run(connect: Connect) -> None:
    with ScriptedServer(["ok"]) as server:
        ask(connect(server), "broken \ud800 text")
    assert server.requests[0].prompt == "broken ? text"


def test_a_character_in_two_halves_is_put_together(connect: Connect) -> None:
    with ScriptedServer([Reply(chunks=["\ud83d", "\ude00"])]) as server:
        assert ask(connect(server), on_text=lambda _: None).text == "\U0001f600"


def test_fields_in_extra_body_are_fields_of_the_body(connect: Connect) -> None:
    with ScriptedServer(["ok"]) as server:
        ask(connect(server, sampling_args={"top_p": 1, "extra_body": {"top_k": 40, "top_p": 0.5}}))
    body = server.requests[0].body
    assert (body["top_k"], body["top_p"]) == (40, 0.5)
    assert "extra_body" not in body


# --- Arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model_name": ""}, "model_name must be the name of a model"),
        ({"timeout": 0}, "timeout must be a number of seconds above 0"),
        ({"timeout": "5"}, "timeout must be a number of seconds above 0"),
        ({"max_retries": -1}, "max_retries must be a whole number"),
        ({"temprature": 1}, "has no option temprature. It has: model_name, api_key"),
        ({"sampling_args": "hot"}, "sampling_args must be a dictionary"),
        ({"sampling_args": {"extra_headers": {"X": "y"}}}, 'in backend_kwargs, as "default_headers"'),
        ({"sampling_args": {"stream": True}}, "'stream' cannot be in sampling_args"),
        (
            {"sampling_args": {"extra_body": {"model": "m"}}},
            "'model' cannot be in sampling_args: give the model's name",
        ),
        ({"sampling_args": {"extra_body": 3}}, "extra_body in sampling_args is a dictionary"),
        ({"price_provider": "opnai"}, "is it 'openai'? There are: anthropic, "),
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
        client = connect(server, http_client=own)
        submit(client.aclose()).result(10)
        assert not own.is_closed
        submit(own.aclose()).result(10)
        with pytest.raises(ClientError, match="has been closed: make a new one"):
            ask(client)
        with pytest.raises(ConfigurationError, match=r"must be an httpx2\.AsyncClient, not str"):
            ask(connect(server, http_client="client"))


# --- Cancelling -------------------------------------------------------------------------------------------------------


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


# --- Life and death ---------------------------------------------------------------------------------------------------


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
