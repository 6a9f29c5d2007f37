"""What the loop needs of a language model, of a place to run code, and of whoever answers sub-calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, TypedDict, runtime_checkable

from .errors import ClientError
from .pictures import Picture
from .results import NamespaceChanges, REPLResult
from .usage import Usage

__all__ = [
    "CUT_OFF",
    "Attempts",
    "Client",
    "Environment",
    "Message",
    "ModelReply",
    "ModelRequest",
    "OnText",
    "Prompt",
    "Queries",
    "SupportsPersistence",
]

OnText: TypeAlias = Callable[[str | None], None]
"""Told each piece of a reply as it arrives; None takes back all of it: the reply is asked for anew."""

CUT_OFF = ("length", "max_tokens")
"""The finish reasons of a reply that the server broke off because it had become as long as it may be."""

Prompt: TypeAlias = Any
"""A string, a picture (``picture_of``), or a list or tuple of strings and pictures in their order."""


class _Message(TypedDict):
    role: Literal["system", "user", "assistant"]
    content: str


class Message(_Message, total=False):
    """One chat message, in the shape that chat-completion APIs take.

    ``parts`` are the texts and pictures of a message with pictures, in their order; ``content`` is the same in words.
    """

    parts: Sequence[str | Picture]


class Attempts(Protocol):
    """Told by a client of the requests that one call takes, where it may take several."""

    def waits(self) -> None:
        """No request of the call is under way: it waits for its turn."""

    def sends(self) -> None:
        """A request goes out."""

    async def failed(self, error: ClientError, wait: float) -> None:
        """A request failed, and another is to go out in ``wait`` seconds; raises what is to keep it from going."""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One call to a language model.

    ``model`` overrides the client's own; ``sampling`` goes to the API as it is (``temperature``, ``seed``, ...). After
    ``deadline``, in seconds of ``time.monotonic()``, nobody waits for the reply any more. ``attempts`` wants to know of
    each request that the client sends for it.
    """

    messages: Sequence[Message]
    model: str | None = None
    sampling: Mapping[str, Any] = field(default_factory=dict)
    deadline: float | None = None
    attempts: Attempts | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ModelReply:
    """What a language model sent back. ``model`` is the name that answered; ``retries`` counts repeated requests.

    ``reasoning`` is what the server sent of the model's thinking. ``notes`` say what was odd about the reply, such as
    that the server told no usage. A ``cached`` reply comes from a recording: no server was asked for it.
    """

    text: str
    model: str
    usage: Usage = field(default_factory=Usage)
    finish_reason: str | None = None
    response_id: str | None = None
    retries: int = 0
    reasoning: str | None = None
    notes: Sequence[str] = ()
    cached: bool = False

    @property
    def is_cut(self) -> bool:
        """Whether the server broke the reply off because it had become as long as it may be."""
        return self.finish_reason in CUT_OFF


class Client(Protocol):
    """A language model behind an API. Calls run on one event loop, the I/O thread's."""

    @property
    def model_name(self) -> str:
        """The model that is asked when a request names none."""

    @property
    def secrets(self) -> Sequence[str]:
        """Strings that must reach no trace, display or log."""

    async def acompletion(self, request: ModelRequest, on_text: OnText | None = None) -> ModelReply:
        """Return the reply, calling ``on_text`` with each piece of it as it arrives.

        Raises ``ClientError`` when there is none.
        """

    async def aclose(self) -> None:
        """Close connections. May be called twice."""


class Queries(Protocol):
    """Answers the model calls that model code makes. Safe to call from any thread."""

    def llm_query(self, prompt: Prompt, model: str | None = None) -> str:
        """Return the model's reply; raises ``ClientError`` or ``CancellationError``."""

    def llm_query_batched(self, prompts: Sequence[Prompt], model: str | None = None) -> list[str]:
        """Return replies in the order of the prompts; a failed slot holds ``Error: ...`` and says why."""

    def rlm_query(self, prompt: Any, model: str | None = None) -> str:
        """Return a child run's answer, or a plain reply at the depth limit."""

    def rlm_query_batched(self, prompts: Sequence[Any], model: str | None = None) -> list[str]:
        """Return the children's answers in the order of the prompts."""

    async def llm_query_async(self, prompt: Prompt, model: str | None = None) -> str:
        """Return what ``llm_query`` does, on whichever event loop; a call whose task is cancelled is broken off."""

    async def rlm_query_async(self, prompt: Any, model: str | None = None) -> str:
        """Return what ``rlm_query`` does, on whichever event loop; a child whose task is cancelled is ended."""


class Environment(Protocol):
    """Where model code runs."""

    @property
    def name(self) -> str:
        """The environment's name, as it is chosen by."""

    def guide(self) -> str:
        """Return what the system prompt says of this environment."""

    def load_context(self, context_payload: Any) -> None:
        """Make the payload the first context (``context`` and ``context_0``), by reference."""

    def offer(self, names: Mapping[str, Any]) -> None:
        """Set the names that the scaffold of the runs to come also has (``session_context_0``, ...)."""

    def contexts(self) -> Mapping[str, Any]:
        """Return the contexts and histories that there are, by name."""

    def variables(self) -> Mapping[str, Any]:
        """Return the names that code sees and that are neither the scaffold's nor private, with their values."""

    def running(self, queries: Queries) -> AbstractContextManager[None]:
        """Lay out the scaffold for the length of a run, and put everything back after it, however it ends."""

    def execute_code(self, code: str) -> REPLResult:
        """Run one code block. An exception in it is in the result; only an interrupt is raised."""

    async def aexecute_code(self, code: str) -> REPLResult:
        """Run one code block, awaiting its top-level ``await`` on the running event loop."""

    def answer_so_far(self) -> str | None:
        """Return what stands in ``answer["content"]``, or None while it is empty."""

    def reopen_answer(self) -> None:
        """Take back that the answer is ready: it was not accepted. Its content stays."""

    def keep_history(self, messages: Sequence[Message]) -> None:
        """Make ``history`` these messages, the whole conversation of the run, until the run ends."""

    def changes(self) -> NamespaceChanges:
        """Return what the last run changed in the user's namespace, once it is over."""

    def cleanup(self) -> None:
        """Give everything back. May be called twice."""


@runtime_checkable
class SupportsPersistence(Protocol):
    """An environment that can be kept from one completion to the next.

    Contexts and histories are numbered from 0 (``context_0``, ``history_0``, ...); ``context`` and ``history`` are
    number 0. Histories are deep copies, contexts are the caller's own objects.
    """

    def update_handler_address(self, address: tuple[str, int]) -> None:
        """Tell where an LM handler listens (host, port), which answers model calls made outside a run."""

    def add_context(self, context_payload: Any, context_index: int | None = None) -> int:
        """Add a context and return its number; without ``context_index``, the next free one."""

    def get_context_count(self) -> int:
        """Return how many contexts there are."""

    def add_history(self, message_history: list[dict[str, Any]], history_index: int | None = None) -> int:
        """Add a deep copy of a message history and return its number."""

    def get_history_count(self) -> int:
        """Return how many histories there are."""
