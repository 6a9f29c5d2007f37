"""What a cell and a run give back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .usage import UsageSummary

__all__ = ["CellError", "NamespaceChanges", "REPLResult", "RLMChatCompletion", "RunTrace"]


class RunTrace(Protocol):
    """The trace of a run, as far as a result needs to know it."""

    @property
    def run_id(self) -> str:
        """The run's identifier."""

    @property
    def usage(self) -> UsageSummary:
        """What was used so far."""

    def to_markdown(self) -> str:
        """Return the trace as Markdown."""

    def render(self) -> None:
        """Show the trace in the notebook, or print it where there is none."""

    def mimebundle(self) -> dict[str, Any]:
        """Return the run's display, by MIME type."""

    def export(self, format: str, path: Any = None, *, overwrite: bool = False, **options: bool) -> Any:  # noqa: A002
        """Return the trace in a format, or write it to a file and return its path."""


@dataclass(frozen=True, slots=True)
class CellError:
    """The exception that a code block ended with."""

    name: str
    message: str
    traceback: str


@dataclass(frozen=True, slots=True)
class NamespaceChanges:
    """Names that a run created, bound anew, deleted or (where it is cheap to tell) mutated."""

    created: tuple[str, ...] = ()
    rebound: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    mutated: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything changed."""
        return bool(self.created or self.rebound or self.deleted or self.mutated)


@dataclass(slots=True)
class REPLResult:
    """What running one code block gave.

    ``stdout`` and ``stderr`` are text, the traceback of an exception standing at the end of ``stderr``; ``locals`` is a
    live view of the namespace; ``execution_time`` is in seconds; ``rlm_calls`` are the model calls that the block made;
    ``final_answer`` is set once the block answered. ``outputs`` are the same outputs in nbformat's shape and order, and
    ``notes`` are remarks to the model, of the environment or of the user. ``changes`` are the public names that the
    block ``created``, ``rebound`` and ``deleted`` where it ran, a key for each kind of which there are any. A block
    that the user ``rejected`` was not run.
    """

    stdout: str
    stderr: str
    locals: Mapping[str, Any]
    execution_time: float | None = None
    rlm_calls: list[RLMChatCompletion] = field(default_factory=list)
    final_answer: str | None = None
    outputs: list[dict[str, Any]] = field(default_factory=list)
    error: CellError | None = None
    notes: list[str] = field(default_factory=list)
    rejected: bool = False
    changes: dict[str, list[str]] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Show sizes and names, never the namespace's values."""
        error = f", error={self.error.name}" if self.error else ""
        return (
            f"REPLResult(stdout={len(self.stdout)} chars, stderr={len(self.stderr)} chars, "
            f"locals={len(self.locals)} names, execution_time={self.execution_time}, "
            f"rlm_calls={len(self.rlm_calls)}, final_answer={self.final_answer!r}{error})"
        )


@dataclass(slots=True)
class RLMChatCompletion:
    """The result of a run, or of one model call made by model code.

    ``response`` is the answer, and ``parsed`` the validated object where a ``response_model`` was given;
    ``execution_time`` is in seconds; ``error`` says why a call failed, its response then being empty. ``trace`` is None
    for a single model call; ``earlier_traces`` are those of a session's turns before. ``messages`` are the run's whole
    conversation with its model.
    """

    root_model: str
    prompt: Any
    response: str
    usage_summary: UsageSummary
    execution_time: float
    metadata: dict[str, Any] | None = None
    error: str | None = None
    trace: RunTrace | None = None
    earlier_traces: tuple[RunTrace, ...] = ()
    parsed: Any = None
    messages: Sequence[Mapping[str, Any]] = ()

    @property
    def trace_markdown(self) -> str:
        """The trace as Markdown, in a session after those of its earlier turns; empty for a single model call."""
        return "\n\n---\n\n".join(trace.to_markdown() for trace in self._traces())

    def render_trace(self) -> None:
        """Show the trace in the notebook, or print it where there is none; in a session, after the earlier turns'."""
        for trace in self._traces():
            trace.render()

    def _traces(self) -> tuple[RunTrace, ...]:
        return (*self.earlier_traces, self.trace) if self.trace is not None else self.earlier_traces

    def to_dict(self) -> dict[str, Any]:
        """Return plain values under the field's names."""
        plain: dict[str, Any] = {
            "root_model": self.root_model,
            "prompt": self.prompt,
            "response": self.response,
            "usage_summary": self.usage_summary.to_dict(),
            "execution_time": self.execution_time,
        }
        if self.metadata is not None:
            plain["metadata"] = self.metadata
        if self.error is not None:
            plain["error"] = self.error
        return plain

    def __str__(self) -> str:
        """Return the answer."""
        return self.response

    def __repr__(self) -> str:
        """Show what was answered, by which model; the prompt may be of any size and is left out."""
        response = self.response if len(self.response) <= 200 else f"{self.response[:200]}…"
        failure = f", error={self.error!r}" if self.error else ""
        return f"RLMChatCompletion(root_model={self.root_model!r}, response={response!r}{failure})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        if self.trace is None:
            return {"text/plain": repr(self)}
        return self.trace.mimebundle()
