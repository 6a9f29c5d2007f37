"""Records the demos anew: ``python docs/examples/recordings/make.py [NAME ...]``. It takes as long as they do.

The scripted model is served over a socket, so the runs are those of a real client, loop and kernel shell.
"""

from __future__ import annotations

import gzip
import sys
import sysconfig
from importlib import import_module
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[2] / "tests")]

from scripted_server import ChatRequest, Reply, ScriptedServer  # noqa: E402

from recordings.scripted import MODEL, seconds_for  # noqa: E402
from rlm_jupyter import RLM  # noqa: E402
from rlm_jupyter.core.digest import text_digest  # noqa: E402
from rlm_jupyter.trace.trace import Trace  # noqa: E402

DEMOS = ("documents", "log_lines", "recursion")


def record(name: str, *, hurried: bool = False) -> Trace:
    """Return the trace of a demo's run; a ``hurried`` one takes no time to think."""
    demo: Any = import_module(f"recordings.{name}")

    def script(request: ChatRequest) -> Reply:
        text = demo.SCRIPT.reply(request.messages)
        seconds = 0.0 if hurried else seconds_for(request.messages, text)
        pieces = [text[start : start + 40] for start in range(0, len(text), 40)]
        thinks = 0.3 * seconds if request.stream else seconds
        pause = (seconds - thinks) / len(pieces)
        return Reply(text, delay=thinks, pause=pause, chunks=pieces, usage=_usage(request, text))

    with ScriptedServer(script) as server:
        settings = {"model_name": MODEL, "base_url": server.base_url, "api_key": "none"}
        with RLM("openai", settings, environment="jupyter", **demo.LIMITS) as rlm:
            trace = rlm.start_session().chat(demo.context(), demo.QUESTION).trace  # as %%rlm does
    assert isinstance(trace, Trace)
    return trace


def _usage(request: ChatRequest, text: str) -> dict[str, Any]:
    """Return what a model would have counted, at four characters a token, and that it cost nothing."""
    asked = sum(len(str(message["content"])) for message in request.messages) // 4
    answered = len(text) // 4
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered, "cost": 0.0}


def packed(trace: Trace) -> bytes:
    """Return the trace as it is kept: its log, in which the standard library stands where most machines have it."""
    here, usual = sysconfig.get_path("stdlib"), f"/usr/lib/python{sysconfig.get_python_version()}"
    log = trace.to_jsonl()
    for digest, blob in trace.blobs.items():
        if here in blob.text:  # a traceback that the model was shown
            text = blob.text.replace(here, usual)
            named = blob.model_copy(update={"digest": text_digest(text), "size": len(text), "text": text})
            log = log.replace(blob.model_dump_json(), named.model_dump_json()).replace(digest, named.digest)
    return gzip.compress(log.replace(here, usual).encode(), 9, mtime=0)


def main() -> None:
    """Record the demos that are named, or all, and write each beside this file."""
    InteractiveShell.instance()  # the place of a notebook's kernel: what the model is told of it is the same
    for name in sys.argv[1:] or DEMOS:
        trace = record(name)
        path = HERE / f"{name}.jsonl.gz"
        path.write_bytes(packed(trace))
        print(f"{path.name}: {path.stat().st_size:,} bytes, {len(trace.iterations)} iterations, "
              f"{len(trace.subcalls)} sub-calls, {len(trace.children)} child runs")  # fmt: skip


if __name__ == "__main__":
    main()
