"""Pictures in a trace: by what they hold, once, and shown where a notebook can show them."""

from __future__ import annotations

import base64
import hashlib

import nbformat

from rlm_jupyter.core.pictures import Picture
from rlm_jupyter.trace.recorder import PICTURE_LIMIT, Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import (
    Blob,
    CodeEnd,
    CodeStart,
    IterationEnd,
    IterationStart,
    MessageRecord,
    ModelCallEnd,
    ModelCallStart,
    RunEnd,
    RunStart,
    SubcallEnd,
    SubcallStart,
)
from rlm_jupyter.trace.trace import Trace

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def recorded(subcall: Picture, message: Picture) -> Trace:
    recorder = Recorder(Redactor(environ={}))
    root = recorder.start(RunStart(question="What?", model="m", backend="b", environment="local", max_iterations=3))
    iteration = recorder.start(IterationStart(number=1), root)
    prompt = recorder.blob("What is on it? [image 1: image/png]", 1_000)
    added = [MessageRecord(role="user", digest=prompt, images=[recorder.picture(message)])]
    call = recorder.start(ModelCallStart(model="m", added=added), iteration)
    recorder.end(call, ModelCallEnd(reply=recorder.blob("I look.", 100)))
    code = recorder.start(CodeStart(code="llm_query(['What?', picture])", index=1), iteration)
    images = [recorder.picture(subcall), recorder.picture(subcall)]
    asked = recorder.start(SubcallStart(model="m", prompt=prompt, images=images), code)
    recorder.end(asked, SubcallEnd(reply=recorder.blob("A walrus.", 100)))
    recorder.end(code, CodeEnd())
    recorder.end(iteration, IterationEnd())
    recorder.end(root, RunEnd(answer="A walrus."))
    return recorder.trace


def test_a_picture_is_kept_once_by_its_bytes() -> None:
    picture = Picture("image/png", PNG)
    trace = recorded(picture, picture)
    (blob,) = (event for event in trace.events if isinstance(event, Blob) and event.media_type is not None)
    assert blob.digest == picture.digest == f"sha256:{hashlib.sha256(PNG).hexdigest()[:32]}"
    assert (base64.b64decode(blob.text), blob.size, blob.cut) == (PNG, len(PNG), False)
    code = next(span for span in trace.walk() if span.kind == "code")
    assert picture.digest in trace.part(code.span_id).blobs


def test_of_a_large_picture_there_is_the_digest() -> None:
    large = Picture("image/jpeg", bytes(PICTURE_LIMIT + 1))
    trace = recorded(large, large)
    blob = trace.blobs[large.digest]
    assert (blob.text, blob.size, blob.cut, blob.media_type) == ("", PICTURE_LIMIT + 1, True, "image/jpeg")
    assert "attachments" not in str(trace.to_notebook())


def test_a_notebook_shows_what_the_models_were_shown() -> None:
    first, second = Picture("image/png", PNG), Picture("image/gif", b"GIF89a of a walrus")
    notebook = recorded(first, second).to_notebook()
    nbformat.validate(nbformat.from_dict(notebook))
    held = {
        media_type: text
        for cell in notebook["cells"]
        for name, forms in cell.get("attachments", {}).items()
        for media_type, text in forms.items()
        if f"attachment:{name})" in cell["source"]
    }
    assert held == {"image/png": first.base64, "image/gif": second.base64}


def test_a_notebook_shows_no_picture_that_could_run() -> None:
    drawing = Picture("image/svg+xml", b"<svg onload='harm()'/>")
    assert "attachments" not in str(recorded(drawing, drawing).to_notebook())
