"""Traces for the tests, recorded as a run records them: through the recorder."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from rlm_jupyter.trace.context_record import context_record
from rlm_jupyter.trace.recorder import Recorder, Sink
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import (
    CodeEnd,
    CodeStart,
    ErrorRecord,
    IterationEnd,
    IterationStart,
    MessageRecord,
    ModelCallEnd,
    ModelCallStart,
    RunEnd,
    RunStart,
    Status,
    SubcallEnd,
    SubcallStart,
    UsageRecord,
)
from rlm_jupyter.trace.trace import Trace


@dataclass
class Block:
    code: str
    outputs: list[dict[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    error: ErrorRecord | None = None
    children: list[Run] = field(default_factory=list)
    width: int = 1
    """How many of the children run at the same time; more than one are a batch."""


@dataclass
class Run:
    """What happened in a run: per iteration the reply and the blocks that it held."""

    question: str = "What is the answer?"
    answer: str | None = "42"
    iterations: list[tuple[str, list[Block]]] = field(default_factory=list)
    context: Any = "the text to look into"
    status: Status = "ok"
    error: ErrorRecord | None = None
    session_id: str | None = None
    usage: UsageRecord = field(default_factory=lambda: UsageRecord(input_tokens=100, output_tokens=10))
    compacted_at: int | None = None
    """The number of the iteration in which the conversation was summed up."""
    rejected: str | None = None
    """What was wrong with the answer of every iteration but the last."""

    def record(self, redactor: Redactor | None = None, sinks: Sequence[Sink] = ()) -> Trace:
        ticks = itertools.count(1_700_000_000)
        recorder = Recorder(redactor or Redactor(environ={}), sinks, clock=lambda: float(next(ticks)))
        self.record_in(recorder)
        return recorder.trace

    def record_in(
        self,
        recorder: Recorder,
        parent: str | None = None,
        batch: str | None = None,
        index: int | None = None,
        depth: int = 0,
    ) -> None:
        run = recorder.start(
            RunStart(
                question=self.question,
                model="gpt-test",
                backend="openai",
                environment="jupyter",
                depth=depth,
                batch=batch,
                index=index,
                max_iterations=30,
                contexts=[context_record("context", self.context)],
                session_id=self.session_id,
                versions={"python": "3.11"},
            ),
            parent,
        )
        messages = [("system", "You work in code."), ("user", self.question)]
        sent = 0
        for number, (reply, blocks) in enumerate(self.iterations, 1):
            iteration = recorder.start(IterationStart(number=number), run)
            if number == self.compacted_at:
                call = recorder.start(ModelCallStart(model="gpt-test", purpose="compaction", kept=sent), iteration)
                reply_digest = recorder.blob("In short: nothing so far.", 100_000)
                recorder.end(call, ModelCallEnd(reply=reply_digest, usage=self.usage))
            added = [MessageRecord(role=role, digest=recorder.blob(text, 100_000)) for role, text in messages[sent:]]
            call = recorder.start(ModelCallStart(model="gpt-test", kept=sent, added=added), iteration)
            sent = len(messages)
            recorder.end(call, ModelCallEnd(reply=recorder.blob(reply, 100_000), usage=self.usage))
            for number_of_block, block in enumerate(blocks, 1):
                self._record_block(recorder, iteration, number_of_block, block, depth)
            messages += [("assistant", reply), ("user", f"Output of iteration {number}")]
            answered = number == len(self.iterations)
            recorder.end(iteration, IterationEnd(answered=answered, rejected=None if answered else self.rejected))
        recorder.end(run, RunEnd(answer=self.answer, error=self.error), self.status)

    def _record_block(self, recorder: Recorder, iteration: str, index: int, block: Block, depth: int) -> None:
        code = recorder.start(CodeStart(code=block.code, index=index), iteration)
        for slot, (prompt, reply) in enumerate(block.calls):
            start = SubcallStart(model="gpt-small", prompt=recorder.blob(prompt, 4_000), batch="b1", index=slot)
            call = recorder.start(start, code)
            recorder.end(call, SubcallEnd(reply=recorder.blob(reply, 4_000), usage=self.usage))
        batch = "b2" if block.width > 1 else None
        with ThreadPoolExecutor(block.width) as pool:
            slots = [(recorder, code, batch, slot if batch else None, depth + 1) for slot in range(len(block.children))]
            list(pool.map(lambda child, slot: child.record_in(*slot), block.children, slots))
        status: Status = "error" if block.error else "ok"
        recorder.end(code, CodeEnd(outputs=block.outputs, error=block.error), status)


def stdout(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def result(text: str) -> dict[str, Any]:
    data = {"text/plain": text, "text/html": f"<b>{text}</b>"}
    return {"output_type": "execute_result", "execution_count": None, "data": data, "metadata": {}}


@pytest.fixture
def make_run() -> Callable[..., Run]:
    return Run


@pytest.fixture
def make_block() -> Callable[..., Block]:
    return Block


@pytest.fixture
def run() -> Run:
    """A run of three iterations: a look, a batch with a child run and an error, and the answer."""
    look = Block("print(len(context))\ncontext[:9]", [stdout("21\n"), result("'the text '")])
    failed = ErrorRecord(
        name="ZeroDivisionError", message="division by zero", traceback="Traceback ...\nZeroDivisionError"
    )
    child = Run("What is in the half?", "A text.", [("```repl\nprint(1)\n```", [Block("print(1)", [stdout("1\n")])])])
    ask = Block(
        "replies = llm_query_batched(prompts)\n1 / 0", [], [("Is it here?", "No."), ("Or here?", "Yes.")], failed
    )
    ask.children.append(child)
    return Run(
        iterations=[
            ("I look into it first.\n\n```repl\nprint(len(context))\ncontext[:9]\n```\nThen I ask.", [look]),
            ("```python\nreplies = llm_query_batched(prompts)\n1 / 0\n```\n```repl\nnever()\n```", [ask]),
            ("Now I know.\n\nFINAL(42)", []),
        ]
    )
