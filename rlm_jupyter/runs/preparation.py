"""From a question to a run that is ready to be performed: contexts, messages, recorder, scope."""

from __future__ import annotations

import platform
import time
from collections.abc import Generator, Mapping
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from rlm_jupyter.core.asking import Parts, in_words, message_of
from rlm_jupyter.core.describe import describe
from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.loop import completion_loop, plain_loop
from rlm_jupyter.core.observation import head_and_tail
from rlm_jupyter.core.pictures import Picture
from rlm_jupyter.core.prompts import QUESTION_LIMIT, Tool, first_message, plain_format, system_prompt
from rlm_jupyter.core.protocols import Environment, Message, OnText, SupportsPersistence
from rlm_jupyter.core.results import RLMChatCompletion
from rlm_jupyter.trace.context_record import PREVIEW_LIMIT, context_record
from rlm_jupyter.trace.schema import ContextRecord, RunStart

from .children import Children
from .listing import Listing
from .place import Place
from .question import Question, parts_digest
from .run import Run
from .subcalls import Subcalls

if TYPE_CHECKING:
    from rlm_jupyter.core.effects import Effect
    from rlm_jupyter.core.scope import Scope

    from .resumed import Resumed
    from .settings import Setup
    from .tree import Tree

__all__ = ["Preparation"]


class Preparation:
    """A run that is ready to be performed, and how to make a result of its answer."""

    def __init__(
        self,
        tree: Tree,
        scope: Scope,
        setup: Setup,
        environment: Environment,
        question: Question,
        on_text: OnText | None = None,
        place: Place | None = None,
        resumed: Resumed | None = None,
    ) -> None:
        self._setup = setup
        self._resumed = resumed
        self._place = place
        self._recorder = tree.recorder
        self._reviewed = tree.steering.reviewer is not None
        self._environment = environment
        self._question = question
        self._began = time.perf_counter()
        self._context = describe(question.prompt, 2 * PREVIEW_LIMIT)
        self._context_name = self._load_context()
        self._shown = question.parts()
        self._messages: list[Message] = []
        width = _width(setup)
        children = Children(tree, scope, setup, width) if setup.may_recurse else None
        subcalls = Subcalls(tree, scope, setup, width, children)
        span = question.origin.span
        self.run = Run(self._run_start(), span, environment, subcalls, tree, scope, setup, on_text)
        self.run.resumed = resumed

    def loop(self) -> Generator[Effect, Any, str]:
        """Return the loop, its first messages telling what code sees now."""
        if self._resumed is not None:
            self._resumed.restore(self._environment, self._setup.prompting.tools, reviewed=self._reviewed)
        answer_format = self._question.answer_format
        accept = answer_format.complaint if answer_format is not None else None
        if self._setup.is_plain:
            self._messages += [*self._question.earlier, *_plain_messages(self._question, self._shown)]
            return plain_loop(self._messages, self._setup.limits.max_iterations, accept=accept)
        self._messages += self._opening()
        return completion_loop(
            self._messages, self._setup.limits.max_iterations, accept=accept, compaction=self._setup.compaction
        )

    def completion(self, answer: str) -> RLMChatCompletion:
        """Return the result of the run that gave this answer."""
        if self._setup.persistent and isinstance(self._environment, SupportsPersistence):
            messages = [dict(message) for message in self._messages]
            if self._place is not None:
                self._place.add_history(self._environment, messages)
            else:
                self._environment.add_history(messages)
        trace = self.run.trace
        return RLMChatCompletion(
            root_model=self._setup.model.name,
            prompt=self._question.prompt,
            response=answer,
            usage_summary=trace.usage,
            execution_time=time.perf_counter() - self._began,
            metadata={
                "run_id": trace.run_id,
                "iterations": len(trace.iterations),
                "subcalls": len(trace.subcalls),
                "children": len(trace.children),
            },
            trace=trace,
            messages=tuple(self._messages),
            parsed=self._question.answer_format.parse(answer) if self._question.answer_format is not None else None,
        )

    def _load_context(self) -> str:
        """Put the prompt into the environment, and return the name under which it is there."""
        environment, prompt = self._environment, self._question.prompt
        environment.offer(self._question.names)
        if isinstance(environment, SupportsPersistence):
            place = self._place if self._setup.persistent else None
            again = self._resumed.context_number() if self._resumed is not None and self._setup.persistent else None
            if place is None:
                return f"context_{environment.add_context(prompt, again)}"
            number = place.add_context(environment, prompt)
            return f"context_{number}"
        environment.load_context(prompt)
        return "context_0"

    def _opening(self) -> list[Message]:
        prompting, question = self._setup.prompting, self._question
        system = prompting.system_prompt
        if system is None:
            system = system_prompt(
                self._environment.guide(),
                _tools(prompting.tools),
                children=self._setup.may_recurse,
                compaction=self._setup.compaction is not None,
                orchestrator=prompting.orchestrator,
                window=self._setup.window,
            )
        opening: list[Message] = [{"role": "system", "content": system}, *question.earlier]
        listing = self._listing()
        text = first_message(
            head_and_tail(question.text, QUESTION_LIMIT),
            self._context_name,
            None if question.is_context else self._context.cut(PREVIEW_LIMIT),
            listing.others,
            listing.variables,
            pictures=_in_few_words(self._shown) if self._shown is not None else None,
            unlisted=listing.unlisted,
            answer_schema=question.answer_format.schema if question.answer_format is not None else None,
            notes=prompting.prologue,  # not a message of its own: some chat templates refuse two of a role in a row
        )
        pictures = [part for part in self._shown or () if isinstance(part, Picture)]
        asking: Message = {"role": "user", "content": text}
        if pictures:
            asking["parts"] = (text, *pictures)  # the text has their places
        opening.append(asking)
        return opening

    def _listing(self) -> Listing:
        question, place, environment = self._question, self._place, self._environment
        named = environment.contexts() if place is None else place.earlier(environment.contexts())
        others = {name: each for name, each in {**named, **question.names}.items() if each is not question.prompt}
        if place is None:
            return Listing.of(others, environment.variables())
        return place.listing(others, environment.variables(), question.text)

    def _context_record(self) -> ContextRecord:
        record = context_record(self._context_name, self._question.prompt, self._context)
        digest = parts_digest(self._shown) if self._shown is not None else record.digest
        told = {"digest": digest, "sampled": record.sampled and self._shown is None}
        value = self._recorder.value(self._question.prompt)
        return record.model_copy(update={**told, "value": value, "expression": self._question.origin.expression})

    def _run_start(self) -> RunStart:
        setup, origin = self._setup, self._question.origin
        return RunStart(
            question=head_and_tail(self._question.text, QUESTION_LIMIT),
            model=setup.model.name,
            backend=setup.backend,
            environment=setup.environment,
            max_iterations=setup.limits.max_iterations,
            contexts=[self._context_record()],
            session_id=origin.session_id,
            turn=origin.turn,
            settings=dict(origin.settings),
            notebook=origin.notebook,
            cell_id=origin.cell_id,
            depth=setup.depth,
            batch=origin.batch,
            index=origin.index,
            versions=_versions(),
            resumes=self._resumed.run_id if self._resumed is not None and not setup.below else None,
        )


def _in_few_words(parts: Parts) -> str:
    return in_words([head_and_tail(part, QUESTION_LIMIT) if isinstance(part, str) else part for part in parts])


def _width(setup: Setup) -> int:
    """Return how many calls of one run may be under way: an environment may be told fewer than the limit is."""
    told = setup.environment_kwargs.get("max_concurrent_subcalls")
    most = setup.limits.max_concurrent_subcalls
    return min(most, told) if type(told) is int else most


@cache
def _versions() -> dict[str, str]:
    return {"rlm_jupyter": version("rlm-jupyter"), "python": platform.python_version()}


def _plain_messages(question: Question, shown: Parts | None) -> list[Message]:
    parts = (question.prompt,) if isinstance(question.prompt, str) else shown
    if parts is None:
        kind = type(question.prompt).__name__
        msg = (
            "max_depth=0 sends the prompt to the model as it is, so it must be a string, a picture, or a short list of "
            f"strings and pictures, and this one is of type {kind}."
        )
        raise ConfigurationError(msg)
    asked = () if question.root_prompt is None else (question.root_prompt,)
    wanted = () if question.answer_format is None else (plain_format(question.answer_format.schema),)
    return [message_of((*asked, *parts, *wanted))]


def _tools(tools: Mapping[str, Any]) -> list[Tool]:
    told = []
    for name, tool in tools.items():
        described = isinstance(tool, dict) and "tool" in tool
        value, description = (tool["tool"], tool.get("description")) if described else (tool, None)
        if description is None:
            description = (getattr(value, "__doc__", None) or "a function").strip().split("\n")[0]
            description = description if callable(value) else str(describe(value, 0))
        told.append(Tool(name, str(description)))
    return told
