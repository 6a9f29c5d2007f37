"""``RLM``: the front door. It sorts its arguments, makes clients and environments by name, and starts runs."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rlm_jupyter.clients.choice import make_client
from rlm_jupyter.clients.io_thread import submit
from rlm_jupyter.core.limits import Limits
from rlm_jupyter.core.protocols import Client, Environment, Message
from rlm_jupyter.core.results import RLMChatCompletion
from rlm_jupyter.environments.choice import check_environment, get_environment
from rlm_jupyter.trace.redaction import Redactor, secrets_in

from .observers import observers
from .preparation import Preparation, Question
from .settings import Callbacks, Origin, Prompting, Setup

if TYPE_CHECKING:
    from rlm_jupyter.trace.logger import RLMLogger
    from rlm_jupyter.trace.schema import Event

    from .session import RLMSession

__all__ = ["RLM"]


@dataclass(slots=True)
class _Kept:
    """The environment that outlives a completion, shared by an ``RLM`` and those derived from it."""

    environment: Environment | None = None

    def cleanup(self) -> None:
        environment, self.environment = self.environment, None
        if environment is not None:
            environment.cleanup()


class RLM:
    """A recursive language model: a root model that answers by working in a REPL.

    ``backend`` and ``backend_kwargs`` choose the client (``model_name``, ``api_key``, ``base_url``, ...);
    ``environment`` and ``environment_kwargs`` the place where code runs. ``persistent=True`` keeps the REPL from one
    completion to the next. ``custom_tools`` maps names to values, or to ``{"tool": ..., "description": ...}``.
    ``max_depth=0`` is a plain model call. ``max_budget`` is in US dollars, ``max_timeout`` in seconds, ``max_tokens``
    counts tokens in and out, ``max_errors`` code blocks that fail in a row. ``on_iteration_start(depth, iteration)``
    and ``on_iteration_complete(depth, iteration, seconds)`` are called as a run goes on.

    Raises ``ConfigurationError`` for arguments that cannot be used. The names are those of the reference implementation
    (``rlms`` on PyPI).
    """

    def __init__(
        self,
        backend: str = "openai",
        backend_kwargs: Mapping[str, Any] | None = None,
        environment: str = "local",
        environment_kwargs: Mapping[str, Any] | None = None,
        *,
        max_depth: int = 1,
        max_iterations: int = 30,
        max_concurrent_subcalls: int = 16,
        max_budget: float | None = None,
        max_timeout: float | None = None,
        max_tokens: int | None = None,
        max_errors: int | None = None,
        custom_system_prompt: str | None = None,
        custom_tools: Mapping[str, Any] | None = None,
        sampling_args: Mapping[str, Any] | None = None,
        user_prologue: str | None = None,
        persistent: bool = False,
        logger: RLMLogger | None = None,
        on_iteration_start: Callable[[int, int], None] | None = None,
        on_iteration_complete: Callable[[int, int, float], None] | None = None,
    ) -> None:
        environment_kwargs = dict(environment_kwargs or {})
        tools = {"custom_tools": custom_tools} if custom_tools else {}
        check_environment(environment, {**environment_kwargs, **tools}, persistent=persistent)
        client: Client = make_client(backend, backend_kwargs)
        told = [secrets_in(each) for each in (backend_kwargs or {}, environment_kwargs, custom_tools or {})]
        self._setup = Setup(
            client=client,
            backend=backend,
            environment=environment,
            environment_kwargs=environment_kwargs,
            persistent=persistent,
            limits=Limits(
                max_iterations=max_iterations,
                max_depth=max_depth,
                max_concurrent_subcalls=max_concurrent_subcalls,
                max_budget=max_budget,
                max_timeout=max_timeout,
                max_tokens=max_tokens,
                max_errors=max_errors,
            ),
            prompting=Prompting(custom_system_prompt, user_prologue, dict(custom_tools or {})),
            callbacks=Callbacks(on_iteration_start, on_iteration_complete),
            sampling=dict(sampling_args or {}),
            secrets=(*client.secrets, *(secret for secrets in told for secret in secrets)),
        )
        self._kept = _Kept()
        self._keeper = True
        self.logger = logger
        self.listeners: list[Callable[[Event], None]] = []
        self.on_text: Callable[[str], None] | None = None

    @property
    def model_name(self) -> str:
        """The root model."""
        return self._setup.client.model_name

    @property
    def backend(self) -> str:
        """The client's name."""
        return self._setup.backend

    def completion(self, prompt: Any, root_prompt: str | None = None) -> RLMChatCompletion:
        """Answer a question about ``prompt``, which the model sees as the variable ``context``, by reference.

        Without ``root_prompt``, the prompt is the question as well. Raises ``RLMError`` and its kin, which carry the
        partial answer and the trace so far.
        """
        return self.answer(prompt, root_prompt, names={"completion_context": prompt})

    async def acompletion(self, prompt: Any, root_prompt: str | None = None) -> RLMChatCompletion:
        """Answer as ``completion`` does; the event loop is free while the model is waited for."""
        return await self.aanswer(prompt, root_prompt, names={"completion_context": prompt})

    @property
    def redactor(self) -> Redactor:
        """Takes the secrets that this ``RLM`` and the environment hold out of a text."""
        return Redactor(self._setup.secrets)

    def reconfigured(
        self,
        backend: str,
        backend_kwargs: Mapping[str, Any] | None = None,
        limits: Mapping[str, Any] | None = None,
    ) -> RLM:
        """Return an ``RLM`` with another client and other limits (``max_iterations``, ...) that works in the same REPL.

        A persistent environment stays this one's: closing the new ``RLM`` closes its client only.
        """
        client = make_client(backend, backend_kwargs)
        derived = copy.copy(self)
        derived._setup = replace(  # noqa: SLF001 - one of this class
            self._setup,
            client=client,
            backend=backend,
            limits=replace(self._setup.limits, **dict(limits or {})),
            secrets=(*self._setup.secrets, *client.secrets, *secrets_in(backend_kwargs or {})),
        )
        derived._keeper = False  # noqa: SLF001
        derived.listeners, derived.on_text = [], None
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
    ) -> RLMChatCompletion:
        """Answer with the conversation so far before the question, and ``names`` added to the scaffold."""
        with self._preparation(prompt, root_prompt, earlier, names, origin) as prepared:
            return prepared.completion(prepared.run.perform(prepared.loop))

    async def aanswer(
        self,
        prompt: Any,
        root_prompt: str | None = None,
        *,
        earlier: Sequence[Message] = (),
        names: Mapping[str, Any] | None = None,
        origin: Origin | None = None,
    ) -> RLMChatCompletion:
        """Answer as ``answer`` does; the event loop is free while the model is waited for."""
        with self._preparation(prompt, root_prompt, earlier, names, origin) as prepared:
            return prepared.completion(await prepared.run.aperform(prepared.loop))

    def close(self) -> None:
        """Give up the kept environment and the client's connections. May be called twice."""
        if self._keeper:
            self._kept.cleanup()
        submit(self._setup.client.aclose()).result(timeout=5)

    async def aclose(self) -> None:
        """Close as ``close`` does."""
        if self._keeper:
            self._kept.cleanup()
        await asyncio.wrap_future(submit(self._setup.client.aclose()))

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

    @contextmanager
    def _preparation(
        self,
        prompt: Any,
        root_prompt: str | None,
        earlier: Sequence[Message],
        names: Mapping[str, Any] | None,
        origin: Origin | None,
    ) -> Iterator[Preparation]:
        environment = self._kept.environment if self._kept.environment is not None else self._new_environment()
        try:
            yield Preparation(
                self._setup,
                environment,
                Question(prompt, root_prompt, earlier, names or {}, origin or Origin()),
                self._sinks(),
                self.on_text,
            )
        finally:
            if not self._setup.persistent:
                environment.cleanup()

    def _new_environment(self) -> Environment:
        arguments = {**self._setup.environment_kwargs}
        if self._setup.prompting.tools:
            arguments["custom_tools"] = self._setup.prompting.tools
        environment = get_environment(self._setup.environment, arguments)
        if self._setup.persistent:
            self._kept.environment = environment
        return environment

    def _sinks(self) -> list[Callable[[Event], None]]:
        return [*([self.logger.sink] if self.logger is not None else []), *self.listeners, *observers]
