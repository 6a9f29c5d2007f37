"""Runs of every kind that there is, really run once, to be replayed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from compacted_run import Explorer
from family import asked, family, stop_after, trace_of
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import Script, code, is_root, says

from rlm_jupyter import InterruptedRun, RLMError
from rlm_jupyter.trace.trace import Trace

__all__ = ["KINDS", "recorded", "trace_recorded"]


def recorded(script: Script, prompt: Any = "parent", root_prompt: str | None = None, **arguments: Any) -> Trace:
    """The trace of a run that a server answered which is gone by now, however the run ended."""
    with ScriptedServer(script) as server, asked(server, **arguments) as rlm:
        try:
            return trace_of(rlm.completion(prompt, root_prompt))
        except (RLMError, InterruptedRun) as error:
            return trace_of(error)


def _errors() -> Trace:
    def sub(request: ChatRequest) -> Reply | str:
        return Reply("it is broken", status=400) if request.prompt == "b" else "fine"

    steps = [code("print(llm_query_batched(['a', 'b']))", "kept = 1"), code("kept / 0"), code("llm_query('b')")]
    return recorded(says(*steps, code("del kept"), "FINAL(done)", sub=sub))


def _children() -> Trace:
    script = family(
        code("parts = llm_query_batched(['one', 'two', 'two'])", "print(parts)"),
        code("print(rlm_query_batched(['a child', 'another']), rlm_query('a third'))"),
        "FINAL_VAR(parts)",
        child=code("mine = context.upper()", "print(mine)", "FINAL(llm_query(f'deep down in {context}'))"),
    )
    numbers = iter(range(100))
    return recorded(
        lambda request: script(request) if is_root(request) else f"reply {next(numbers)}", max_concurrent_subcalls=1
    )


def _failed_child() -> Trace:
    steps = [code("print(rlm_query_batched(['a', 'b']))"), code("rlm_query('c')"), "FINAL(done)"]
    return recorded(family(*steps, child=code("1 / 0")), max_errors=1)


def _asynchronous() -> Trace:
    block = code(
        "import asyncio",
        "print(await asyncio.gather(*[llm_query_async(each) for each in 'abc']), await rlm_query_async('d'))",
        "try:",
        "    await asyncio.wait_for(llm_query_async('slow'), 0.5)",
        "except asyncio.TimeoutError:",
        "    print('too slow')",
    )
    return recorded(
        says(block, "FINAL(done)", sub=lambda request: Reply("late", delay=2) if request.prompt == "slow" else "soon"),
        environment="ipython",
        max_depth=1,
    )


def _pictures() -> Trace:
    block = code(
        "from PIL import Image",
        "red = Image.new('RGB', (30, 20), 'red')",
        "print(llm_query(['What is it?', red]), rlm_query([red, 'And this?']))",
        "red",
    )
    return recorded(says(block, "FINAL(red)"), environment="ipython", max_depth=1)


def _compaction() -> Trace:
    return recorded(Explorer(20), "a haystack", "Where is it?", compaction=True, context_window=5_000)


def _limit() -> Trace:
    return recorded(says(code("print(1)"), code("print(llm_query('a'))", "print(llm_query('b'))")), max_tokens=600)


def _most_iterations() -> Trace:
    return recorded(says(code("count = globals().get('count', 0) + 1", "print(count)")), max_iterations=2)


def _interrupted() -> Trace:
    block = code("print('begun')", "llm_query('held')", "print('never')")
    with ScriptedServer(says(code("x = 1"), block, sub=Reply("late", delay=30))) as server, asked(server) as rlm:
        stop_after(server, 3, lambda: os.kill(os.getpid(), signal.SIGINT))
        try:
            return trace_of(rlm.completion("parent"))
        except InterruptedRun as interrupt:
            return trace_of(interrupt)


def _stopped_by_its_time() -> Trace:
    return recorded(says(code("while True: pass"), "FINAL(done)"), environment_kwargs={"cell_timeout": 0.2})


def _with_tools() -> Trace:
    tools = {"rates": {"EUR": 1.5}}
    return recorded(says(code("FINAL(rates['EUR'] * len(context))")), "12", "How much?", custom_tools=tools)


KINDS: dict[str, Callable[[], Trace]] = {
    "errors": _errors,
    "children": _children,
    "failed child": _failed_child,
    "asynchronous": _asynchronous,
    "pictures": _pictures,
    "compaction": _compaction,
    "limit": _limit,
    "most iterations": _most_iterations,
    "interrupted": _interrupted,
    "stopped by its time": _stopped_by_its_time,
    "tools": _with_tools,
}


def trace_recorded(kind: str) -> Trace:
    """The trace of a run of this kind."""
    return KINDS[kind]()
