"""``RLM``: the front door. It sorts its arguments, makes clients and environments by name, and starts runs."""

from __future__ import annotations

import asyncio
import copy
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rlm_jupyter.clients.cache import Cache
from rlm_jupyter.clients.io_thread import submit
from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.limits import Limits
from rlm_jupyter.core.protocols import Environment, Message, OnText
from rlm_jupyter.core.results import RLMChatCompletion
from rlm_jupyter.core.steering import Reviewer, Steering
from rlm_jupyter.environments.choice import check_environment
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor, secrets_in
from rlm_jupyter.trace.verbose import VerbosePrinter

from .observers import observers
from .runs.arguments import check_arguments, checked_record_limit, chosen_cache, chosen_compaction, other_models
from .runs.attempts import OnWait
from .runs.cut_runs import cut_run, origin_of, recorded_question
from .runs.earlier import EarlierRun
from .runs.kept import Kept
from .runs.models import Models
from .runs.place import Place, standing_at
from .runs.preparation import Preparation
from .runs.question import UNSET, Question
from .runs.reconfigured import reconfigured
from .runs.resumed import Resumed
from .runs.settings import RECORD_LIMIT, Callbacks, Origin, Prompting, Recursion, Setup
from .runs.tree import Tree
from .runs.typed import AnswerFormat

if TYPE_CHECKING:
    from rlm_jupyter.trace.logger import RLMLogger
    from rlm_jupyter.trace.schema import Event
    from rlm_jupyter.trace.trace import Trace

    from .session import RLMSession

__all__ = ["RLM"]


class RLM:
    """A recursive language model: a root model that answers by working in a REPL.

    ``backend`` and ``backend_kwargs`` choose the client (``model_name``, ``api_key``, ``base_url``, ...);
    ``other_backends`` and ``other_backend_kwargs`` those for calls below the root, of which the first answers where no
    model is named. ``environment`` and ``environment_kwargs`` choose the place where code runs,
    ``child_environment`` and ``child_environment_kwargs`` that of child runs. ``persistent=True`` keeps the REPL from
    one completion to the next. ``custom_tools`` maps names to values, or to ``{"tool": ..., "description": ...}``;
    ``custom_sub_tools`` are those of child runs, which have the same ones unless it is given. ``sampling_args`` go to
    the root model's API, ``sub_sampling_args`` (else the same) to that of calls below it.

    ``max_depth`` is how many levels of runs there are: with 0 the prompt is sent to the model as it is, with 1 the
    calls of model code are plain model calls, from 2 on ``rlm_query`` starts child runs. ``max_budget`` is in US
    dollars, ``max_timeout`` in seconds, ``max_tokens`` counts tokens in and out: these hold over all the runs of a
    tree. ``max_iterations`` and ``max_errors``, code blocks that fail in a row, hold for each. ``executor``, any
    ``concurrent.futures.Executor``, runs the children of the root; without it, threads do.

    The backend ``"recorded"`` plays a run again from its trace, with ``{"trace": ...}`` (a log in JSON lines, a result,
    or a ``Trace``), or from a cache file, with ``{"cache": ..., "model_name": ...}``, and asks no server; what is not
    recorded is an error, or is asked of ``"live": ("openai", {...})``.

    ``cache`` keeps the replies that were paid for: True in a file of the user's, a path or a ``Cache`` in another one.
    A request with the same model, messages and sampling as an earlier one, of whichever run, gets its reply and costs
    nothing. The same prompt twice in a batch is asked once, too: for several answers to it, number the prompts.

    ``compaction`` sums the conversation up when it takes ``compaction_threshold_pct`` of the model's window, which is
    known for common models and otherwise ``context_window``, in tokens. That also bounds the pieces that the model is
    told to cut large material into; ``orchestrator=False`` leaves out how to divide the work. ``verbose`` prints a line
    for each step, and ``logger`` (an ``RLMLogger``) is told of all of them. ``depth`` is that of this run, where it is
    part of a tree of the caller's own.

    ``record_limit`` is how many characters of values, as they are written, one trace holds in full, so that it can be
    played again where they are not: the contexts, and the variables that code reads and did not make. What does not fit
    is described only; 0 holds none.

    ``on_iteration_start(depth, iteration)`` and ``on_iteration_complete(depth, iteration, seconds)`` are called for the
    iterations of every run; ``on_subcall_start(depth, model, prompt_preview)`` and ``on_subcall_complete(depth, model,
    seconds, error_or_none)`` for child runs, in their threads. Their ``depth`` is 0 for the root; what they raise is
    shown as a warning, and the run goes on.

    Raises ``ConfigurationError`` for arguments that cannot be used. The names are those of the reference implementation
    (``rlms`` on PyPI).
    """

    def __init__(
        self,
        backend: str = "openai",
        backend_kwargs: Mapping[str, Any] | None = None,
        environment: str = "local",
        environment_kwargs: Mapping[str, Any] | None = None,
        depth: int = 0,
        max_depth: int = 1,
        max_iterations: int = 30,
        max_budget: float | None = None,
        max_timeout: float | None = None,
        max_tokens: int | None = None,
        max_errors: int | None = None,
        custom_system_prompt: str | None = None,
        other_backends: Sequence[str] | None = None,
        other_backend_kwargs: Sequence[Mapping[str, Any]] | None = None,
        logger: RLMLogger | None = None,
        verbose: bool = False,
        persistent: bool = False,
        custom_tools: Mapping[str, Any] | None = None,
        custom_sub_tools: Mapping[str, Any] | None = None,
        compaction: bool = False,
        compaction_threshold_pct: float = 0.85,
        max_concurrent_subcalls: int = 16,
        on_subcall_start: Callable[[int, str, str], None] | None = None,
        on_subcall_complete: Callable[[int, str, float, str | None], None] | None = None,
        on_iteration_start: Callable[[int, int], None] | None = None,
        on_iteration_complete: Callable[[int, int, float], None] | None = None,
        sampling_args: Mapping[str, Any] | None = None,
        sub_sampling_args: Mapping[str, Any] | None = None,
        orchestrator: bool = True,
        user_prologue: str | None = None,
        *,
        cache: bool | str | os.PathLike[str] | Cache | None = None,
        context_window: int | None = None,
        child_environment: str = "local",
        child_environment_kwargs: Mapping[str, Any] | None = None,
        executor: Executor | None = None,
        record_limit: int = RECORD_LIMIT,
    ) -> None:
        check_arguments(
            cache=cache,
            backend_kwargs=backend_kwargs,
            environment=environment,
            environment_kwargs=environment_kwargs,
            custom_system_prompt=custom_system_prompt,
            logger=logger,
            custom_tools=custom_tools,
            custom_sub_tools=custom_sub_tools,
            on_subcall_start=on_subcall_start,
            on_subcall_complete=on_subcall_complete,
            on_iteration_start=on_iteration_start,
            on_iteration_complete=on_iteration_complete,
            sampling_args=sampling_args,
            sub_sampling_args=sub_sampling_args,
            user_prologue=user_prologue,
            child_environment=child_environment,
            child_environment_kwargs=child_environment_kwargs,
            executor=executor,
        )
        limits = Limits(
            max_iterations=max_iterations,
            max_depth=max_depth,
            max_concurrent_subcalls=max_concurrent_subcalls,
            max_budget=max_budget,
            max_timeout=max_timeout,
            max_tokens=max_tokens,
            max_errors=max_errors,
        )
        if type(depth) is not int or depth < 0:
            msg = f"depth must be a whole number of at least 0, not {depth!r}."
            raise ConfigurationError(msg)
        sub_tools = custom_tools if custom_sub_tools is None else custom_sub_tools
        recursion = Recursion(
            environment=child_environment,
            environment_kwargs=dict(child_environment_kwargs or {}),
            tools=dict(sub_tools or {}),
            sampling=dict((sampling_args if sub_sampling_args is None else sub_sampling_args) or {}),
            executor=executor,
        )
        others = other_models(other_backends, other_backend_kwargs)
        told = (backend_kwargs, *(arguments for _, arguments in others), environment_kwargs, child_environment_kwargs)
        told = (*told, custom_tools, custom_sub_tools, sampling_args, sub_sampling_args)
        secrets = [secrets_in(each or {}) for each in told]
        models = Models((backend, dict(backend_kwargs or {})), others, chosen_cache(cache))
        self._setup = Setup(
            models=models,
            backend=backend,
            environment=environment,
            environment_kwargs=dict(environment_kwargs or {}),
            persistent=persistent,
            limits=limits,
            prompting=Prompting(custom_system_prompt, user_prologue, dict(custom_tools or {}), orchestrator),
            callbacks=Callbacks(on_iteration_start, on_iteration_complete, on_subcall_start, on_subcall_complete),
            recursion=recursion,
            sampling=dict(sampling_args or {}),
            secrets=(*models.secrets, *(secret for each in secrets for secret in each)),
            compaction=chosen_compaction(models.root.name, compaction_threshold_pct, context_window, wanted=compaction),
            window=context_window,
            depth=depth,
            record_limit=checked_record_limit(record_limit),
        )
        self._check()
        self._kept = Kept()
        self._keeper = True
        self.logger = logger
        self.verbose = verbose
        self.listeners: list[Callable[[Event], None]] = []
        self.on_text: OnText | None = None
        self.on_wait: OnWait | None = None
        self.reviewer: Reviewer | None = None
        """Asked before each code block of a run and of its children, which ask in threads of their own."""

    @property
    def persistent(self) -> bool:
        """Whether the REPL is kept from one completion to the next."""
        return self._setup.persistent

    @property
    def model_name(self) -> str:
        """The root model."""
        return self._setup.models.root.name

    @property
    def backend(self) -> str:
        """The client's name."""
        return self._setup.backend

    def completion(
        self, prompt: Any, root_prompt: str | None = None, *, response_model: Any = None
    ) -> RLMChatCompletion:
        """Answer a question about ``prompt``, which the model sees as the variable ``context``, by reference.

        Without ``root_prompt``, the prompt is the question as well. ``context`` is the first context of the REPL: with
        ``persistent=True`` the current one is ``context_N``, and the message with the question says which. With
        ``response_model`` (a pydantic model, another type that pydantic can validate, such as ``list[Row]``, or a JSON
        schema as a dict) the result's ``parsed`` is the answer as a valid object of it.

        Raises ``RLMError`` and its kin, which carry the partial answer and the trace so far; ``AnswerFormatError`` when
        the model gave no valid object.
        """
        names = {"completion_context": prompt}
        return self.answer(prompt, root_prompt, names=names, response_model=response_model)

    async def acompletion(
        self, prompt: Any, root_prompt: str | None = None, *, response_model: Any = None
    ) -> RLMChatCompletion:
        """Answer as ``completion`` does; the event loop is free while the model is waited for."""
        names = {"completion_context": prompt}
        return await self.aanswer(prompt, root_prompt, names=names, response_model=response_model)

    def resume(
        self, trace: Any, context: Any = UNSET, *, response_model: Any = None, other_context: bool = False
    ) -> RLMChatCompletion:
        """Go on with a run that was cut, and return its answer; nothing that its trace holds is paid for again.

        ``trace`` is the run's ``Trace``, a result or an error that has it, the path of a log or of a trace notebook (of
        several runs there, the last that was cut and has not gone on since), or the beginning of the id of a run in the
        log of this ``RLM``'s logger. Recorded replies and sub-calls come from there; the code that ran is run again to
        rebuild the variables, so it does what it did once more; the model is told what it was told then. The question
        is the recorded one, and so is the context where it is recorded in full; else pass it. With ``other_context`` it
        may be another one. Model, environment, depth, tools and limits are those of this ``RLM``: limits count what
        comes now. ``response_model`` is not recorded: pass it again.

        Raises ``ConfigurationError`` when the run came to its answer, or what it needs is not there, and what
        ``completion`` raises; ``TraceFileError`` and ``OSError`` for a file that cannot be read.
        """
        found = self.cut_run(trace)
        prompt, question = self.asked(found, context, other_context=other_context)
        names = {"completion_context": prompt}
        return self.answer(
            prompt, question, names=names, origin=origin_of(found), response_model=response_model, resumes=found
        )

    async def aresume(
        self, trace: Any, context: Any = UNSET, *, response_model: Any = None, other_context: bool = False
    ) -> RLMChatCompletion:
        """Go on as ``resume`` does; the event loop is free while the model is waited for."""
        found = await asyncio.to_thread(self.cut_run, trace)
        prompt, question = self.asked(found, context, other_context=other_context)
        names = {"completion_context": prompt}
        return await self.aanswer(
            prompt, question, names=names, origin=origin_of(found), response_model=response_model, resumes=found
        )

    def asked(self, trace: Trace, context: Any = UNSET, *, other_context: bool = False) -> tuple[Any, str | None]:
        """Return the prompt and the question of a recorded run, as ``resume`` asks them, with the errors of that."""
        return recorded_question(trace, context, self.redactor, other_context=other_context)

    def cut_run(self, source: Any) -> Trace:
        """Return the run that is meant by what ``resume`` takes, with the errors of that."""
        return cut_run(source, self.logger.log_file_path if self.logger is not None else None)

    @property
    def cache(self) -> Cache | None:
        """Where replies are kept; None where they are not."""
        return self._setup.models.cache

    @property
    def redactor(self) -> Redactor:
        """Takes the secrets that this ``RLM`` and the environment hold out of a text."""
        return Redactor(self._setup.secrets)

    def reconfigured(
        self,
        backend: str,
        backend_kwargs: Mapping[str, Any] | None = None,
        limits: Mapping[str, Any] | None = None,
        *,
        compaction: bool | None = None,
        context_window: int | None = None,
        cache: bool | str | os.PathLike[str] | Cache | None = None,
        others: Sequence[tuple[str, Mapping[str, Any]]] | None = None,
        sampling_args: Mapping[str, Any] | None = None,
        sub_sampling_args: Mapping[str, Any] | None = None,
        record_limit: int | None = None,
    ) -> RLM:
        """Return an ``RLM`` with another client and other limits (``max_iterations``, ...) that works in the same REPL.

        ``compaction``, ``context_window``, ``cache``, ``record_limit`` and the sampling are as for an ``RLM``,
        ``others`` are the backends below the root and their arguments; None does as this one does. A persistent
        environment stays this one's: closing the new ``RLM`` closes the clients that were made for it.
        """
        derived = copy.copy(self)
        derived._setup = reconfigured(  # noqa: SLF001 - one of this class
            self._setup,
            backend,
            backend_kwargs or {},
            limits or {},
            others,
            compaction=compaction,
            context_window=context_window,
            cache=cache,
            sampling_args=sampling_args,
            sub_sampling_args=sub_sampling_args,
            record_limit=record_limit,
        )
        derived._keeper = False  # noqa: SLF001
        derived.listeners, derived.on_text, derived.on_wait, derived.reviewer = [], None, None, None
        return derived

    def start_session(self) -> RLMSession:
        """Return a new conversation, whose turns know of the earlier ones."""
        from .session import RLMSession

        return RLMSession(self)

    def answer(
        self,
        prompt: Any,
        root_prompt: str | None = None,
        *,
        earlier: Sequence[Message] = (),
        names: Mapping[str, Any] | None = None,
        origin: Origin | None = None,
        response_model: Any = None,
        place: Place | None = None,
        resumes: Trace | None = None,
    ) -> RLMChatCompletion:
        """Answer with the conversation so far before the question, and ``names`` added to the scaffold.

        With a ``place`` where it was asked before, it is asked as if that had not been. What is recorded of the run
        that it ``resumes`` is not asked for again.
        """
        question = self._question(prompt, root_prompt, earlier, names, origin, response_model)
        with self._preparation(question, place, resumes) as prepared:
            return prepared.completion(prepared.run.perform(prepared.loop))

    async def aanswer(
        self,
        prompt: Any,
        root_prompt: str | None = None,
        *,
        earlier: Sequence[Message] = (),
        names: Mapping[str, Any] | None = None,
        origin: Origin | None = None,
        response_model: Any = None,
        place: Place | None = None,
        resumes: Trace | None = None,
    ) -> RLMChatCompletion:
        """Answer as ``answer`` does; the event loop is free while the model is waited for."""
        question = self._question(prompt, root_prompt, earlier, names, origin, response_model)
        await question.aparts()
        made = await self._kept.made(self._setup)
        with self._preparation(question, place, resumes, made) as prepared:
            return prepared.completion(await prepared.run.aperform(prepared.loop))

    def close(self) -> None:
        """Give up the kept environment and the clients' connections. May be called twice."""
        if self._keeper:
            self._kept.cleanup()
        submit(self._closed_clients()).result(timeout=5)

    async def aclose(self) -> None:
        """Close as ``close`` does."""
        if self._keeper:
            self._kept.cleanup()
        await asyncio.wrap_future(submit(self._closed_clients()))

    def __enter__(self) -> RLM:
        """Return itself, to be closed at the end of the block."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close."""
        self.close()

    async def __aenter__(self) -> RLM:
        """Return itself, to be closed at the end of the block."""
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Close."""
        await self.aclose()

    @staticmethod
    def _question(
        prompt: Any,
        root_prompt: str | None,
        earlier: Sequence[Message],
        names: Mapping[str, Any] | None,
        origin: Origin | None,
        response_model: Any,
    ) -> Question:
        answer_format = AnswerFormat(response_model) if response_model is not None else None
        return Question(prompt, root_prompt, earlier, names or {}, origin or Origin(), answer_format)

    @contextmanager
    def _preparation(
        self, question: Question, place: Place | None, resumes: Trace | None, made: Environment | None = None
    ) -> Iterator[Preparation]:
        resumed = (
            Resumed(EarlierRun(resumes, resumes.root)) if resumes is not None and resumes.root is not None else None
        )
        steering = Steering(self.reviewer)
        recorder = Recorder(self.redactor, self._sinks(), record_limit=self._setup.record_limit)
        tree = Tree(self._setup.limits, recorder, steering=steering, on_wait=self.on_wait)
        with self._kept.held(self._setup, made) as environment, standing_at(place, environment):
            yield Preparation(tree, tree.scope, self._setup, environment, question, self.on_text, place, resumed)

    def _check(self) -> None:
        """Refuse environments that cannot be made, before anything is asked."""
        setup, below = self._setup, self._setup.child(None)
        check_environment(setup.environment, setup.environment_arguments, persistent=setup.persistent)
        check_environment(below.environment, below.environment_arguments, in_threads=setup.may_recurse)

    async def _closed_clients(self) -> None:
        for client in self._setup.models.own:
            await client.aclose()

    def _sinks(self) -> list[Callable[[Event], None]]:
        logger = [self.logger.sink] if self.logger is not None else []
        printer = [VerbosePrinter()] if self.verbose else []
        return [*logger, *printer, *self.listeners, *observers]
