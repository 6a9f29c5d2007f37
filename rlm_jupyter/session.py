"""A session: a conversation whose turns are runs."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rlm_jupyter.core.errors import InterruptedRun, RLMError
from rlm_jupyter.core.observation import head_and_tail
from rlm_jupyter.core.prompts import QUESTION_LIMIT
from rlm_jupyter.core.protocols import Message
from rlm_jupyter.core.results import RLMChatCompletion
from rlm_jupyter.core.usage import UsageSummary

from .runs.cut_runs import origin_of
from .runs.place import Place
from .runs.question import UNSET, Question
from .runs.settings import Origin

if TYPE_CHECKING:
    from rlm_jupyter.trace.trace import Trace

    from .rlm import RLM

__all__ = ["ANSWER_LIMIT", "RLMSession", "Turn"]

ANSWER_LIMIT = 20_000
"""Characters of an earlier answer that the model is told in the turns after it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer. ``context`` is what the question was about: None in a turn that was taken up.

    ``number`` is the turn's in the session, the same when it was asked again from its ``place``.
    """

    question: str
    context: Any
    completion: RLMChatCompletion
    number: int = 0
    place: Place | None = field(default=None, repr=False, compare=False)


class RLMSession:
    """A conversation: every question is asked with the questions and answers before it.

    What the model remembers of the conversation is the session's; what its variables hold is the environment's
    (``persistent=True``). ``rlm`` may be set to another one between turns: the conversation goes on.
    """

    def __init__(self, rlm: RLM, session_id: str | None = None) -> None:
        self.rlm = rlm
        self.session_id = session_id if session_id is not None else uuid.uuid4().hex
        self._turns: list[Turn] = []
        self._number = 0
        self._spent = UsageSummary()

    @classmethod
    def taken_up(
        cls, rlm: RLM, session_id: str, turns: Iterable[tuple[str, str]], number: int | None = None
    ) -> RLMSession:
        """Return a session that goes on after these questions and answers; ``number`` is that of its next turn.

        What the earlier questions were about is not known any more: their contexts read None.
        """
        session = cls(rlm, session_id)
        for question, answer in turns:
            said = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            completion = RLMChatCompletion("", question, answer, UsageSummary(), 0.0, messages=said)
            session._turns.append(Turn(question, None, completion))
        session._number = number if number is not None else len(session._turns)
        return session

    @property
    def history(self) -> tuple[Turn, ...]:
        """The turns so far. A run that failed or was interrupted is no turn."""
        return tuple(self._turns)

    @property
    def usage_summary(self) -> UsageSummary:
        """What all its runs here have used so far, those that failed or were interrupted too; a copy."""
        spent = UsageSummary()
        spent.include(self._spent)
        return spent

    def chat(
        self,
        prompt: Any,
        root_prompt: str | None = None,
        *,
        response_model: Any = None,
        origin: Origin | None = None,
        place: Place | None = None,
    ) -> RLMChatCompletion:
        """Ask the next question; arguments and errors as for ``RLM.completion``.

        A question with the ``place`` of an earlier turn is asked again in that turn's place: with the conversation that
        there was before it. Its answer then takes that turn's place, and the turns after it stay as they are.
        """
        at = self._standing(place)
        conversation = self._conversation(prompt, origin, at)
        with self._counting_failures():
            completion = self.rlm.answer(
                prompt, root_prompt, response_model=response_model, place=place, **conversation
            )
        return self._kept(prompt, root_prompt, completion, place, at)

    async def achat(
        self,
        prompt: Any,
        root_prompt: str | None = None,
        *,
        response_model: Any = None,
        origin: Origin | None = None,
        place: Place | None = None,
    ) -> RLMChatCompletion:
        """Ask as ``chat`` does; the event loop is free while the model is waited for."""
        at = self._standing(place)
        conversation = self._conversation(prompt, origin, at)
        with self._counting_failures():
            completion = await self.rlm.aanswer(
                prompt, root_prompt, response_model=response_model, place=place, **conversation
            )
        return self._kept(prompt, root_prompt, completion, place, at)

    def resume(
        self,
        trace: Any,
        context: Any = UNSET,
        *,
        response_model: Any = None,
        origin: Origin | None = None,
        other_context: bool = False,
    ) -> RLMChatCompletion:
        """Go on with a turn that was cut; arguments and errors as for ``RLM.resume``.

        It becomes the next turn, with the number that it had; its model is told the conversation as it was then.
        """
        found = self.rlm.cut_run(trace)
        prompt, question = self.rlm.asked(found, context, other_context=other_context)
        at, conversation = self._resumed(found, prompt, origin)
        with self._counting_failures():
            completion = self.rlm.answer(prompt, question, response_model=response_model, resumes=found, **conversation)
        return self._kept(prompt, question, completion, None, at)

    async def aresume(
        self,
        trace: Any,
        context: Any = UNSET,
        *,
        response_model: Any = None,
        origin: Origin | None = None,
        other_context: bool = False,
    ) -> RLMChatCompletion:
        """Go on as ``resume`` does; the event loop is free while the model is waited for."""
        found = await asyncio.to_thread(self.rlm.cut_run, trace)
        prompt, question = self.rlm.asked(found, context, other_context=other_context)
        at, conversation = self._resumed(found, prompt, origin)
        with self._counting_failures():
            completion = await self.rlm.aanswer(
                prompt, question, response_model=response_model, resumes=found, **conversation
            )
        return self._kept(prompt, question, completion, None, at)

    def _resumed(self, trace: Trace, prompt: Any, origin: Origin | None) -> tuple[int, dict[str, Any]]:
        at = len(self._turns)
        self._number = max(self._number, trace.run.turn or 0)
        return at, self._conversation(prompt, origin or origin_of(trace), at)

    def close(self) -> None:
        """Close the ``RLM`` of this session. May be called twice."""
        self.rlm.close()

    @contextmanager
    def _counting_failures(self) -> Iterator[None]:
        """Count what a run has used that gives no answer."""
        try:
            yield
        except (RLMError, InterruptedRun) as error:
            if error.trace is not None:
                self._spent.include(error.trace.usage)
            raise

    def _standing(self, place: Place | None) -> int:
        """Return the index of the turn whose place it is, or of the next turn."""
        if place is None:
            return len(self._turns)
        at = next((index for index, turn in enumerate(self._turns) if turn.place is place), len(self._turns))
        if at == len(self._turns) and at != place.turns:  # its run failed, and others have come since
            place.leave()
        place.turns = at
        return at

    def _conversation(self, prompt: Any, origin: Origin | None, at: int) -> dict[str, Any]:
        earlier: list[Message] = []
        turns = self._turns[:at]
        for turn in turns:
            earlier.append({"role": "user", "content": turn.question})
            answer = head_and_tail(turn.completion.response, ANSWER_LIMIT)
            earlier.append({"role": "assistant", "content": answer})
        contexts = [*(turn.context for turn in turns), prompt]
        histories = [[dict(message) for message in turn.completion.messages] for turn in turns]
        names = {f"session_context_{index}": context for index, context in enumerate(contexts)}
        return {
            "earlier": earlier,
            "names": {**names, "context_history": contexts, "session_history": histories},
            "origin": replace(origin or Origin(), session_id=self.session_id, turn=self._numbered(at)),
        }

    def _numbered(self, at: int) -> int:
        return self._turns[at].number if at < len(self._turns) else self._number

    def _kept(
        self, prompt: Any, root_prompt: str | None, completion: RLMChatCompletion, place: Place | None, at: int
    ) -> RLMChatCompletion:
        self._spent.include(completion.usage_summary)
        question = head_and_tail(Question(prompt, root_prompt).text, QUESTION_LIMIT)
        completion.earlier_traces = tuple(turn.completion.trace for turn in self._turns[:at] if turn.completion.trace)
        turn = Turn(question, prompt, completion, self._numbered(at), place)
        self._number += at == len(self._turns)
        self._turns[at : at + 1] = [turn]
        return completion
