"""The calls of a run's own model: asked or fed from an earlier run, and recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rlm_jupyter.clients.io_thread import submit
from rlm_jupyter.core.protocols import Message, ModelReply, ModelRequest, OnText
from rlm_jupyter.trace.schema import ModelCallEnd, ModelCallStart

from .attempts import Attempts
from .endings import error_record, status_of
from .sent_messages import MESSAGE_LIMIT, SentMessages
from .subcalls import failure_fields, reply_fields

if TYPE_CHECKING:
    from rlm_jupyter.core.effects import CallModel
    from rlm_jupyter.core.scope import Scope

    from .resumed import Resumed
    from .settings import Setup
    from .tree import Tree

__all__ = ["Fed", "ModelCall", "RootCalls"]


@dataclass(slots=True)
class ModelCall:
    """A call under way: ``future`` is the reply to wait for, ``reply`` the one that came."""

    future: Future[ModelReply]
    reply: ModelReply | None = None


@dataclass(slots=True)
class Fed:
    """What is sent in a call, and the ``reply`` that an earlier run has recorded of it, if it has."""

    messages: list[Message] = field(default_factory=list)
    reply: ModelReply | None = None


class RootCalls:
    """Makes the calls of one run's own model."""

    def __init__(self, tree: Tree, scope: Scope, setup: Setup, on_text: OnText | None) -> None:
        self._tree = tree
        self._scope = scope
        self._setup = setup
        self._model = setup.model
        self._recorder = tree.recorder
        self._on_text = on_text
        self._messages = SentMessages(tree.recorder)

    def fed(self, effect: CallModel, iteration: int, resumed: Resumed | None) -> Fed:
        """Return what is sent, as an earlier run had sent it where it has the reply."""
        fed = Fed(list(effect.messages))
        if resumed is not None:
            kept = self._messages.kept(fed.messages)
            fed.reply = resumed.reply(iteration, effect.purpose, fed.messages, kept, self._recorder)
        return fed

    @contextmanager
    def under_way(self, effect: CallModel, fed: Fed, parent: str, check: Callable[[], None]) -> Iterator[ModelCall]:
        """Record a call below this span, and yield it; ``check`` raises what keeps the model from being asked."""
        kept, added = self._messages.record(fed.messages)
        span, attempts = "", Attempts("root")

        def begin() -> None:
            nonlocal span
            start = ModelCallStart(
                model=self._model.name,
                purpose=effect.purpose,
                kept=kept,
                added=added,
                sampling=dict(self._setup.sampling),
            )
            span = self._recorder.start(start, parent)

        def on_text(piece: str | None) -> None:
            self._recorder.text(span, piece)
            if self._on_text is not None:
                self._on_text(piece)

        def recorded(reply: ModelReply) -> ModelReply:
            digest = self._recorder.blob(reply.text, MESSAGE_LIMIT)
            self._recorder.end(span, ModelCallEnd(reply=digest, **reply_fields(reply, attempts, self._recorder)))
            return reply

        async def asked(request: ModelRequest) -> ModelReply:
            """Record the reply where it comes in: what ends the run meanwhile cancels only its way to this thread."""
            ask = self._tree.ask(self._scope, self._model, request, attempts=attempts, begin=begin, on_text=on_text)
            return recorded(await ask)

        try:
            if fed.reply is not None:  # neither limits nor the model have anything to do with it
                self._scope.check()
                begin()
                yield ModelCall(self._scope.adopt(_done(recorded(fed.reply))))
                return
            check()
            request = ModelRequest(fed.messages, self._model.override, self._setup.sampling, self._tree.deadline)
            yield ModelCall(submit(asked(request), self._tree.context, self._scope.adopt))
        except BaseException as error:
            if span:
                came = self._recorder.came(span, MESSAGE_LIMIT)
                end = ModelCallEnd(reply=came, error=error_record(error), **failure_fields(error, attempts))
                self._recorder.end(span, end, status_of(error))
            raise


def _done(reply: ModelReply) -> Future[ModelReply]:
    future: Future[ModelReply] = Future()
    future.set_result(reply)
    return future
