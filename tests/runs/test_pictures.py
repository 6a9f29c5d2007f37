"""Pictures in what an ``RLM`` is asked: at depth 0, in long conversations, in sessions and in other processes."""

from __future__ import annotations

import asyncio
import base64
import io
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, ClassVar

import pytest
from family import asked, question
from PIL import Image
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, is_root, says, step

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.pictures import PICTURE_LIMIT, Picture
from rlm_jupyter.environments.subprocess import SubprocessREPL


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(buffer, "PNG")
    return buffer.getvalue()


def url(data: bytes) -> dict[str, Any]:
    address = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    return {"type": "image_url", "image_url": {"url": address}}


def test_at_depth_0_the_prompt_goes_to_the_model_as_it_is() -> None:
    data = png()
    with ScriptedServer(lambda _: "red") as server, asked(server, max_depth=0) as rlm:
        assert rlm.completion(["What is", data, "this?"]).response == "red"
        assert rlm.completion(Image.open(io.BytesIO(data)), "Which colour?").response == "red"
        with pytest.raises(ConfigurationError, match="a string, a picture, or a short list of strings and pictures"):
            rlm.completion({"a": data})
        first, second = (request.messages[-1]["content"] for request in server.requests)
    assert first == [{"type": "text", "text": "What is"}, url(data), {"type": "text", "text": "this?"}]
    assert [part["type"] for part in second] == ["text", "image_url"]


def test_a_picture_stays_before_the_model_when_the_conversation_is_summed_up() -> None:
    data = png()
    long = code("print('word ' * 3_000)")

    def model(request: ChatRequest) -> Reply | str:
        if "Sum it up in plain text" in str(request.messages[-1]["content"]):
            return "It is red."
        return "FINAL(red)" if "It is red." in str(request.messages) else long

    with ScriptedServer(model) as server:
        with asked(server, compaction=True, context_window=9_000) as rlm:
            result = rlm.completion(data, "Which colour?")
        last = server.requests[-1].messages
    assert result.response == "red"
    assert last[1]["content"][1] == url(data)
    assert last[2]["content"] == "It is red."
    opening = result.messages[1]
    assert opening["parts"][1] == Picture("image/png", data)
    assert "[image 1: image/png, 64x48, 1 kB]" in opening["content"]


def test_histories_with_pictures_are_kept() -> None:
    data = png()
    look = code("print([type(part).__name__ for part in history_0[1]['parts']])")

    def model(request: ChatRequest) -> Reply | str:
        return "FINAL(red)" if question(request) == "Which colour?" else [look, "FINAL(done)"][step(request)]

    with ScriptedServer(model) as server, asked(server, persistent=True) as rlm:
        rlm.completion(data, "Which colour?")
        assert rlm.completion("What was it?").response == "done"
        assert "['str', 'Picture']" in server.requests[-1].prompt


def test_a_picture_that_is_too_large_to_be_shown_is_a_context_like_any_other() -> None:
    data = png() + bytes(PICTURE_LIMIT)
    with ScriptedServer(says("FINAL(seen)")) as server, asked(server) as rlm:
        rlm.completion(data, "How large is it?")
        told = server.requests[0].prompt
    assert "`context_0` is the current context: bytes (image, PNG, 64x48), 20," in told
    assert "It begins:\n\n    b'\\x89PNG" in told


def test_a_child_in_another_process_is_given_its_pictures() -> None:
    data = png()
    seen: list[Any] = []

    def model(request: ChatRequest) -> Reply | str:
        if not is_root(request):
            seen.append(request.messages[0]["content"])
            return "red"
        if len(request.messages[1]["content"]) == 2 and isinstance(request.messages[1]["content"], list):
            seen.append(request.messages[1]["content"][1])
            return code("FINAL(llm_query(context))")
        assert question(request) == "parent"
        return [code("print(rlm_query(['Which colour?', data]))"), "FINAL(done)"][step(request)]

    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
    with ScriptedServer(model) as server, pool, asked(server, executor=pool, custom_tools={"data": data}) as rlm:
        assert rlm.completion("parent").response == "done"
    assert seen == [url(data), [{"type": "text", "text": "Which colour?"}, url(data)]]


def test_a_kernel_without_the_package_has_pictures_all_the_same() -> None:
    with SubprocessREPL(context_payload=[Picture("image/png", png())]) as repl:
        result = repl.execute_code("print(type(context[0]).__module__, context[0].size)\ncontext[0]")
    assert result.stdout == "_rlm_jupyter_kernel.pictures (64, 48)\n"
    assert base64.b64decode(result.outputs[-1]["data"]["image/png"]) == png()


class Watched(Image.Image):
    """A picture that remembers in which threads it was encoded."""

    encoded_in: ClassVar[list[int]] = []

    def save(self, *arguments: Any, **more: Any) -> None:
        self.encoded_in.append(threading.get_ident())
        super().save(*arguments, **more)


def test_a_picture_is_encoded_once_and_beside_the_event_loop() -> None:
    picture = Image.new("RGB", (64, 48), "red")
    picture.__class__ = Watched

    async def ask(server: ScriptedServer) -> str:
        async with asked(server) as rlm:
            return (await rlm.acompletion(picture, "Which colour?")).response

    with ScriptedServer(says("FINAL(red)")) as server:
        assert asyncio.run(ask(server)) == "red"
        assert server.requests[0].messages[-1]["content"][1]["type"] == "image_url"
    assert len(Watched.encoded_in) == 1
    assert Watched.encoded_in[0] != threading.get_ident()


def test_a_picture_that_is_cut_off_is_a_context_like_others() -> None:
    broken = Image.open(io.BytesIO(png()[:60]))
    with ScriptedServer(says("FINAL(unknown)")) as server, asked(server) as rlm:
        assert rlm.completion(broken, "Which colour?").response == "unknown"
        assert isinstance(server.requests[0].messages[-1]["content"], str)
