"""The litellm client, against servers that speak OpenAI's and Anthropic's APIs over a real socket."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, says

from rlm_jupyter import RLM
from rlm_jupyter.clients.choice import Choice, choose, make_client
from rlm_jupyter.clients.io_thread import submit
from rlm_jupyter.clients.litellm import LiteLLMClient
from rlm_jupyter.clients.throttle import Throttle, throttle_for
from rlm_jupyter.core.errors import ClientError, ConfigurationError
from rlm_jupyter.core.pictures import Picture
from rlm_jupyter.core.protocols import Message, ModelReply, ModelRequest

# What litellm and pydantic say to each other is not ours to mend; the client filters what users would see of it.
pytestmark = [
    pytest.mark.filterwarnings(r"ignore:Item '\w+' on TypedDict class:UserWarning"),
    pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning"),
]

KEY = "a-key-that-nobody-may-see"
THOUGHT = {
    "prompt_tokens": 100,
    "completion_tokens": 50,
    "total_tokens": 150,
    "prompt_tokens_details": {"cached_tokens": 40},
    "completion_tokens_details": {"reasoning_tokens": 20},
}


def ask(
    base_url: str | None,
    prompt: str | Message = "Who?",
    *,
    model: str = "openai/gpt-test",
    pieces: list[str | None] | None = None,
    **options: Any,
) -> ModelReply:
    """Ask once, on the I/O thread; with ``pieces`` the reply is streamed into it."""
    given = {"model_name": model, "api_key": KEY, "base_url": base_url, **options}
    client = make_client("litellm", {name: value for name, value in given.items() if value is not None})
    message: Message = {"role": "user", "content": prompt} if isinstance(prompt, str) else prompt
    on_text = None if pieces is None else pieces.append
    return submit(client.acompletion(ModelRequest([message], sampling={"temperature": 0.5}), on_text)).result(60)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_reply_comes_with_its_text_its_reasoning_and_its_tokens(streamed: bool) -> None:
    pieces: list[str | None] | None = [] if streamed else None
    reply = Reply("forty two", message={"reasoning_content": "let me see"}, usage=THOUGHT, chunks=["forty ", "two"])
    with ScriptedServer([reply if streamed else Reply(reply.text, message=reply.message, usage=THOUGHT)]) as server:
        answer = ask(server.base_url, pieces=pieces)
    assert (answer.text, answer.reasoning, answer.finish_reason) == ("forty two", "let me see", "stop")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (100, 50)
    assert (answer.usage.cached_input_tokens, answer.usage.reasoning_tokens) == (40, 20)
    assert answer.usage.cost is None  # the price list is not that of a server on this machine
    assert pieces is None or "".join(filter(None, pieces)) == "forty two"
    (request,) = server.requests
    assert request.stream is streamed
    assert (request.model, request.body["temperature"]) == ("gpt-test", 0.5)
    assert request.headers["Authorization"] == f"Bearer {KEY}"


def test_a_model_that_another_server_has_a_price_for_costs_nothing_known_here() -> None:
    with ScriptedServer(["hello"]) as server:
        assert ask(server.base_url, model="openai/gpt-4o-mini").usage.cost is None


def test_what_may_pass_is_asked_again_by_our_policy_and_not_by_litellms() -> None:
    replies: list[Reply | str] = [Reply("slow down", status=429, headers={"Retry-After": "0.01"})]
    replies += [Reply("oh", status=500), "there"]
    with ScriptedServer(replies) as server:
        reply = ask(server.base_url)
    assert (reply.text, reply.retries, len(server.requests)) == ("there", 2, 3)


def test_a_stream_that_breaks_is_begun_anew_and_what_came_is_taken_back() -> None:
    pieces: list[str | None] = []
    broken = Reply(chunks=["one ", "two ", "three"], cut_after=2)
    with ScriptedServer([broken, Reply(chunks=["four ", "five"])]) as server:
        reply = ask(server.base_url, pieces=pieces)
    assert (reply.text, reply.retries) == ("four five", 1)
    assert pieces[pieces.index(None) + 1 :] == ["four ", "five"]


@pytest.mark.parametrize(("status", "requests"), [(401, 1), (404, 1), (500, 2)])
def test_an_error_says_what_to_do_and_no_key(status: int, requests: int) -> None:
    refusal = Reply(f"I do not like {KEY}", status=status)
    with ScriptedServer([refusal] * requests) as server, pytest.raises(ClientError) as caught:
        ask(server.base_url, max_retries=requests - 1)
    assert len(server.requests) == requests
    assert (caught.value.status, caught.value.retries) == (status, requests - 1)
    assert caught.value.refused
    assert KEY not in str(caught.value)
    assert "Check" in str(caught.value)


def test_a_server_that_is_not_there_is_no_answer() -> None:
    with ScriptedServer([]) as server:
        gone = server.base_url
    with pytest.raises(ClientError) as caught:
        ask(gone, max_retries=0)
    assert caught.value.status is None
    assert caught.value.retryable
    assert not caught.value.refused


def test_a_silent_server_is_given_up() -> None:
    held = threading.Event()
    with ScriptedServer([Reply("too late", held=held)]) as server:
        try:
            with pytest.raises(ClientError) as caught:
                ask(server.base_url, timeout=0.2, max_retries=0)
        finally:
            held.set()
    assert caught.value.retryable


def test_a_run_asks_a_provider_through_litellm_and_others_below() -> None:
    script = says(code("print(llm_query('the sub-question'))"), "FINAL(done)", sub="a sub-reply")
    with ScriptedServer(script) as server:
        options = {"model_name": "openai/gpt-test", "api_key": KEY, "base_url": server.base_url}
        with RLM("litellm", options) as rlm:
            result = rlm.completion("a context", "Who?")
    assert result.response == "done"
    assert [request.model for request in server.requests] == ["gpt-test"] * 3
    assert result.usage_summary.total_calls == 3
    assert result.trace is not None
    assert KEY not in result.trace.to_markdown()


class _Anthropic(BaseHTTPRequestHandler):
    """Anthropic's messages API, as far as one answer needs it."""

    requests: ClassVar[list[tuple[str, Mapping[str, str], dict[str, Any]]]] = []
    refusals: ClassVar[int] = 0

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.requests.append((self.path, dict(self.headers), body))
        usage = {
            "input_tokens": 10,
            "output_tokens": 5,
            "cache_read_input_tokens": 30,
            "cache_creation_input_tokens": 0,
        }
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"]}
        if len(self.requests) <= type(self).refusals:
            error = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}
            return self._send(json.dumps(error).encode(), status=429)
        if not body.get("stream"):
            content = [{"type": "text", "text": "forty two"}]
            whole = {**message, "content": content, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}
            return self._send(json.dumps(whole).encode())
        delta = {"type": "content_block_delta", "index": 0}
        events: list[dict[str, Any]] = [
            {"type": "message_start", "message": {**message, "content": [], "usage": usage, "stop_reason": None}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {**delta, "delta": {"type": "text_delta", "text": "forty "}},
            {**delta, "delta": {"type": "text_delta", "text": "two"}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
            {"type": "message_stop"},
        ]
        lines = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
        return self._send(lines.encode(), "text/event-stream")

    def _send(self, body: bytes, kind: str = "application/json", status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == 429:
            self.send_header("Retry-After", "0.01")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@contextmanager
def anthropic(refusals: int = 0) -> Iterator[str]:
    """Yield the address of a server with Anthropic's API."""
    _Anthropic.requests.clear()
    _Anthropic.refusals = refusals
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Anthropic)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("streamed", [False, True])
def test_a_provider_with_another_api_is_asked_in_its_own_words(streamed: bool) -> None:
    pieces: list[str | None] | None = [] if streamed else None
    picture = Picture("image/png", b"\x89PNG\r\n\x1a\n a picture")
    message: Message = {"role": "user", "content": "What is [image 1]?", "parts": ["What is", picture]}
    with anthropic(refusals=1) as url:
        reply = ask(url, message, model="anthropic/claude-sonnet-4-5", pieces=pieces)
    assert (reply.text, reply.finish_reason, reply.retries) == ("forty two", "stop", 1)
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.cached_input_tokens) == (40, 5, 30)
    assert pieces is None or "".join(filter(None, pieces)) == "forty two"
    path, headers, body = _Anthropic.requests[-1]
    assert (path, headers["x-api-key"]) == ("/v1/messages", KEY)
    text, image = body["messages"][0]["content"]
    assert (text["text"], image["source"]["data"]) == ("What is", picture.base64)
    assert "max_retries" not in body


def test_the_providers_key_goes_to_no_other_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "the-providers")
    monkeypatch.delenv("RLM_JUPYTER_API_KEY", raising=False)
    with ScriptedServer(["a", "b"]) as server:
        ask(server.base_url, api_key=None)
        monkeypatch.setenv("RLM_JUPYTER_API_KEY", "this-servers")
        ask(server.base_url, api_key=None)
    assert [request.headers["Authorization"] for request in server.requests] == ["Bearer none", "Bearer this-servers"]


def test_a_quota_that_is_used_up_is_not_asked_for_again() -> None:
    spent = {
        "error": {"message": "You exceeded your quota", "type": "insufficient_quota", "code": "insufficient_quota"}
    }
    with ScriptedServer([Reply(status=429, completion=spent)]) as server, pytest.raises(ClientError) as caught:
        ask(server.base_url)
    assert (len(server.requests), caught.value.retryable) == (1, False)


def test_a_model_is_chosen_by_name_with_the_provider_in_it() -> None:
    name = "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0"
    assert choose(f"litellm:{name}", environ={}) == Choice("litellm", {"model_name": name})


def test_a_picture_reaches_a_model_of_openais_api() -> None:
    picture = Picture("image/png", b"\x89PNG\r\n\x1a\n a picture")
    with ScriptedServer(["a picture"]) as server:
        ask(server.base_url, {"role": "user", "content": "What?", "parts": ["What?", picture]})
    content = server.requests[0].messages[0]["content"]
    assert content[1]["image_url"]["url"] == f"data:image/png;base64,{picture.base64}"


def test_without_the_library_the_backend_says_how_to_install_it() -> None:
    script = (
        "import sys; sys.modules.pop('litellm', None); import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'litellm' else find(name, *more)\n"
        "from rlm_jupyter import RLM\n"
        "try:\n    RLM('litellm', {'model_name': 'anthropic/claude-sonnet-4-5'})\n"
        "except ValueError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert 'pip install "rlm-jupyter[litellm]"' in done.stdout


def test_it_is_imported_at_the_first_call_and_prints_nothing() -> None:
    script = (
        "import sys, os\n"
        "from rlm_jupyter import RLM\n"
        "rlm = RLM('litellm', {'model_name': 'openai/m', 'api_key': 'k', 'base_url': sys.argv[1]}, max_depth=0)\n"
        "assert 'litellm' not in sys.modules\n"
        "assert rlm.completion('hello').response == 'hi'\n"
        "import litellm\n"
        "assert 'LITELLM_LOCAL_MODEL_COST_MAP' not in os.environ\n"
        "try:\n    rlm.completion('hello')\n"
        "except Exception as error:\n    assert error.status == 401\n"
        "rlm.close()\n"
    )

    def replies(request: ChatRequest) -> Reply | str:
        return "hi" if request.number == 1 else Reply("no", status=401)

    environ = {name: value for name, value in os.environ.items() if not name.startswith("LITELLM")}
    with ScriptedServer(replies) as server:
        command = [sys.executable, "-c", script, server.base_url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=environ)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("options", [{"model_name": ""}, {"timeout": 0}, {"max_retries": -1}, {"sampling_args": "no"}])
def test_what_cannot_be_used_is_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        make_client("litellm", {"model_name": "openai/gpt-test", **options})


def test_a_call_that_is_cancelled_closes_its_request() -> None:
    held = threading.Event()
    with ScriptedServer([Reply("never", held=held)]) as server:
        client = make_client("litellm", {"model_name": "openai/gpt-test", "api_key": KEY, "base_url": server.base_url})
        asked = submit(client.acompletion(ModelRequest([{"role": "user", "content": "Who?"}])))
        server.wait_for(1, timeout=60)
        asked.cancel()
        server.wait_idle()  # the server sees the connection closed, before it has sent anything
        held.set()
    assert asked.cancelled()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("gemini/gemini-2.5-pro", "Missing Gemini API key"),
        ("anthropic/claude-sonnet-4-5", "Missing Anthropic API Key"),
        ("nosuch", "LLM Provider NOT provided"),
    ],
)
def test_what_litellm_does_not_send_is_nobodys_answer_and_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], model: str, said: str
) -> None:
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigurationError, match=said) as caught:
        ask(None, model=model, api_key=None)
    told = str(caught.value)
    assert told.startswith(f"{model} was not asked")
    assert not any(word in told for word in ("Traceback", "base_url", "answered"))
    assert capfd.readouterr().err == ""


def test_the_key_for_a_base_url_is_named_rightly() -> None:
    with ScriptedServer([Reply("no", status=401)]) as server, pytest.raises(ClientError, match="RLM_JUPYTER_API_KEY"):
        ask(server.base_url)


def test_what_a_server_has_shown_is_remembered_between_calls() -> None:
    with ScriptedServer(["a", "b"]) as server:
        client = LiteLLMClient("openai/m", api_key=KEY, base_url=server.base_url)
        throttles = set()
        for _ in range(2):
            submit(client.acompletion(ModelRequest([{"role": "user", "content": "Who?"}]))).result(60)
            gc.collect()
            throttles.add(id(submit(found(server.base_url)).result(10)))
        assert submit(found(server.base_url)).result(10).answered
    assert len(throttles) == 1


async def found(url: str) -> Throttle:
    return throttle_for(url, KEY)
