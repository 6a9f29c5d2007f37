"""Pictures in prompts, in every environment: the very bytes arrive at the model, in their order."""

from __future__ import annotations

import base64
import io
from typing import Any

from every_environment import Place, in_every_environment
from PIL import Image
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, is_root, step

from rlm_jupyter.trace.schema import CodeEnd, ModelCallStart, RunStart, SubcallStart
from rlm_jupyter.trace.trace import Trace


def png(colour: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(buffer, "PNG")
    return buffer.getvalue()


def url(data: bytes, media_type: str = "image/png") -> dict[str, Any]:
    """A picture as the API takes it."""
    return {"type": "image_url", "image_url": {"url": f"data:{media_type};base64,{base64.b64encode(data).decode()}"}}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


class Model:
    """A root model that runs these blocks one after another, and a sub-model that says how much it was shown."""

    def __init__(self, *blocks: str) -> None:
        self.replies = [*(code(*block.split("\n")) for block in blocks), "FINAL(done)"]
        self.roots: list[ChatRequest] = []
        self.shown: list[Any] = []

    def __call__(self, request: ChatRequest) -> Reply | str:
        if is_root(request):
            self.roots.append(request)
            return self.replies[step(request)]
        self.shown.append(request.messages[-1]["content"])
        return "a square"


def printed(trace: Trace | Any) -> str:
    ends = [span.end.payload for each in trace.iterations for span in each.children if span.end is not None]
    outputs = [output for end in ends if isinstance(end, CodeEnd) for output in end.outputs]
    return "".join(output.get("text", "") or "".join(output.get("traceback", "")) for output in outputs)


@in_every_environment
def test_what_code_asks_about_pictures(place: Place) -> None:
    red, blue = png(), png("blue")
    model = Model(
        "import io\nfrom PIL import Image\nfrom IPython.display import Image as Shown\n"
        "red, blue = Image.open(io.BytesIO(data[0])), Shown(data=data[1])\n"
        "buffer = io.BytesIO()\nred.save(buffer, 'PNG')\nprint(buffer.getvalue() == data[0])\n"
        "print(llm_query(['What is on it?', red, 'And here?', blue]))",
        "print(llm_query(data[0]))",
        "print(llm_query_batched([['First', red], 'no picture', blue, (red, blue)]))",
        "print(await llm_query_async(['Awaited', blue]), rlm_query([blue, 'what?']))",
    )
    with ScriptedServer(model) as server, place.asked(server, custom_tools={"data": [red, blue]}) as rlm:
        result = rlm.completion("Look at the pictures.")
    assert printed(result.trace).split("\n")[:2] == ["True", "a square"]
    assert model.shown[:2] == [
        [text("What is on it?"), url(red), text("And here?"), url(blue)],
        [url(red)],
    ]
    batch = [[text("First"), url(red)], "no picture", [url(blue)], [url(red), url(blue)]]
    assert sorted(model.shown[2:6], key=str) == sorted(batch, key=str)
    assert model.shown[6:] == [[text("Awaited"), url(blue)], [url(blue), text("what?")]]

    assert isinstance(result.trace, Trace)
    asked = [span.start.payload for span in result.trace.subcalls]
    first = asked[0]
    assert isinstance(first, SubcallStart)
    assert result.trace.blobs[first.prompt].text.split("\n\n") == [
        "What is on it?",
        "[image 1: image/png, 64x48, 1 kB]",
        "And here?",
        "[image 2: image/png, 64x48, 1 kB]",
    ]
    assert [base64.b64decode(result.trace.blobs[digest].text) for digest in first.images] == [red, blue]


@in_every_environment
def test_a_figure_is_shown_as_a_png_and_pyplot_is_left_alone(place: Place) -> None:
    model = Model(
        "from matplotlib.figure import Figure\nfigure = Figure(figsize=(1, 1))\nfigure.subplots().plot([1, 2])\n"
        "print(llm_query(['Which curve?', figure]))\nimport sys\n"
        "print('matplotlib.pyplot' in sys.modules and bool(sys.modules['matplotlib.pyplot'].get_fignums()))"
    )
    with ScriptedServer(model) as server, place.asked(server) as rlm:
        result = rlm.completion("Look at the figure.")
    assert printed(result.trace) == "a square\nFalse\n"
    ((words, picture),) = model.shown
    assert words == text("Which curve?")
    assert picture["image_url"]["url"].startswith("data:image/png;base64,iVBORw0KGgo")


@in_every_environment
def test_what_is_no_prompt_says_what_is_one(place: Place) -> None:
    model = Model(
        "for wrong in ({1, 2}, ['a', {1, 2}], b'text'):\n    try:\n        llm_query(wrong)\n"
        "    except Exception as error:\n        print(type(error).__name__, error)",
        "try:\n    llm_query(['a', 'b'])\nexcept Exception as error:\n    print(error)",
        "try:\n    llm_query(head + bytes(20_000_000))\nexcept ValueError as error:\n    print(error)",
    )
    tools = {"head": png()[:16]}
    with ScriptedServer(model) as server, place.asked(server, custom_tools=tools) as rlm:
        said = printed(rlm.completion("Ask wrongly.").trace).splitlines()
    possible = "A prompt is a string, a picture, or a list of strings and pictures, and this one is of type"
    assert said[:3] == [
        f"ScaffoldError {possible} {kind}: put it into an f-string." for kind in ("set", "set", "bytes")
    ]
    assert "here is none: join the strings" in said[3]
    assert "This picture takes 20 MB as image/png" in said[4]
    assert model.shown == []


@in_every_environment
def test_a_context_that_is_a_picture_is_shown_to_the_root_model(place: Place) -> None:
    red = png()
    model = Model("print(type(context).__name__, llm_query(['Which colour?', context]))")
    with ScriptedServer(model) as server, place.asked(server) as rlm:
        result = rlm.completion(red, "Which colour is it?")
    told, picture = model.roots[0].messages[1]["content"]
    assert picture == url(red)
    assert "## Question\n\nWhich colour is it?" in told["text"]
    assert "`context_0` is the current context: bytes (image, PNG, 64x48)" in told["text"]
    assert "    [image 1: image/png, 64x48, 1 kB]" in told["text"]
    assert "llm_query([question, context_0])" in told["text"]
    assert model.shown == [[text("Which colour?"), url(red)]]
    assert printed(result.trace) == "bytes a square\n"
    assert model.roots[1].messages[1] == model.roots[0].messages[1]

    trace = result.trace
    assert isinstance(trace, Trace)
    (call, *_) = [span.start.payload for each in trace.iterations for span in each.children]
    assert isinstance(call, ModelCallStart)
    (image,) = call.added[1].images
    assert base64.b64decode(trace.blobs[image].text) == red
    assert trace.root is not None
    assert isinstance(trace.root.start.payload, RunStart)
    assert trace.root.start.payload.contexts[0].digest == image


@in_every_environment
def test_a_context_of_strings_and_pictures_and_the_context_of_a_child(place: Place) -> None:
    red, blue = png(), png("blue")
    kept: dict[str, Any] = {"child_environment": place.environment, "child_environment_kwargs": place.kind}
    below = {} if place.differs("children") else kept
    model = Model("print(rlm_query(['Compare them.', context[1], context[2]]))")
    children: list[ChatRequest] = []

    def script(request: ChatRequest) -> Reply | str:
        if "Compare them." in request.prompt:
            children.append(request)
            return "FINAL(they differ)"
        return model(request)

    with ScriptedServer(script) as server, place.asked(server, max_depth=2, **below) as rlm:
        result = rlm.completion(["What differs?", red, blue])
    told, *pictures = model.roots[0].messages[1]["content"]
    assert pictures == [url(red), url(blue)]
    assert "## Question\n\nWhat differs?" in told["text"]
    assert "    What differs?\n    \n    [image 1: image/png, 64x48, 1 kB]\n    \n    [image 2" in told["text"]
    assert children[0].messages[1]["content"][1:] == [url(red), url(blue)]
    assert printed(result.trace) == "they differ\n"


@in_every_environment
async def test_a_session_goes_on_after_pictures(place: Place) -> None:
    red = png()
    model = Model("print(len(context_0), history[0]['role'] if 'history' in SHOW_VARS() else '-')")
    with ScriptedServer(model) as server:
        async with place.asked(server, persistent=True) as rlm:
            session = rlm.start_session()
            await session.achat([red], "Which colour?")
            result = await session.achat("And what else?")
    assert printed(result.trace) == "1 -\n"
    assert [message["role"] for message in model.roots[-1].messages[:4]] == ["system", "user", "assistant", "user"]
    assert all(isinstance(message["content"], str) for message in model.roots[-1].messages)
