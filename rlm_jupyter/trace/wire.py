"""What the kernel and the Jupyter server say to each other: comm messages, told apart by ``type``.

The kernel publishes on iopub (comm target ``rlm_jupyter``) and holds no token; the server answers through the kernel's
own channels. Each side validates what the other says. ``data`` of a comm message is one of these models as JSON.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from .schema import Review

__all__ = [
    "MESSAGE_LIMIT",
    "PROTOCOL_VERSION",
    "TARGET",
    "TOPIC",
    "AskSession",
    "AskSessions",
    "AskTrace",
    "Control",
    "Decision",
    "Events",
    "FromKernel",
    "Hello",
    "Introduce",
    "Missing",
    "Notebook",
    "ProposedCode",
    "Question",
    "Reviewer",
    "SessionRecord",
    "SessionSummary",
    "Steered",
    "Stored",
    "TellSession",
    "TellSessions",
    "TellTrace",
    "ToKernel",
    "TurnRecord",
    "Welcome",
    "Written",
    "from_kernel",
    "to_kernel",
]

PROTOCOL_VERSION = 1

TARGET = "rlm_jupyter"
"""The comm target."""

TOPIC = b"comm-rlm_jupyter-"
"""How the iopub topics of our messages begin: a comm's topic is ``comm-`` and its id, and ours begins like this."""

MESSAGE_LIMIT = 32_000_000
"""Bytes of a message; the server reads no larger one, and the kernel sends none."""


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Hello(_Message):
    """The kernel loaded the extension; it is the data of ``comm_open``.

    ``reach`` is how it can be reached while a cell runs: on a subshell, on the control channel, or not at all
    (``shell``: messages wait for the end of the cell). ``load_id`` is new with each load.
    """

    type: Literal["hello"] = "hello"
    protocol: int = PROTOCOL_VERSION
    load_id: str
    version: str
    reach: Literal["subshell", "control", "shell"]


class Events(_Message):
    """Trace events, of one run or of several, in the order in which they happened; each is validated by itself."""

    type: Literal["events"] = "events"
    events: list[dict[str, Any]]


class ProposedCode(_Message):
    """A code block that waits for the user's decision; ``review_id`` names this decision."""

    review_id: str
    code: str
    iteration: int
    index: int


class Steered(_Message):
    """How a run that is under way has been steered; said whenever it changes."""

    type: Literal["steered"] = "steered"
    run_id: str
    paused: bool = False
    stopping: bool = False
    notes: int = 0
    review: ProposedCode | None = None


class AskSessions(_Message):
    """Which sessions does this notebook have? Answered with ``TellSessions``."""

    type: Literal["ask_sessions"] = "ask_sessions"
    request_id: str


class AskSession(_Message):
    """What was said in the session whose id begins so, or in the last one (None)? Answered with ``TellSession``."""

    type: Literal["ask_session"] = "ask_session"
    request_id: str
    session_id: str | None = None


class AskTrace(_Message):
    """What is recorded of a run of this notebook? Answered with ``TellTrace``.

    It is the run whose id begins so, or the last one, of the session where one is named, if it came to no answer.
    ``since`` is the number of the first event that is wanted.
    """

    type: Literal["ask_trace"] = "ask_trace"
    request_id: str
    run_id: str | None = None
    session_id: str | None = None
    since: int = 0


Question: TypeAlias = AskSessions | AskSession | AskTrace
"""What a kernel waits to be told."""

FromKernel: TypeAlias = Annotated[
    Hello | Events | Steered | AskSessions | AskSession | AskTrace, Field(discriminator="type")
]


class SessionSummary(_Message):
    """A session of a notebook; times are seconds since the epoch."""

    session_id: str
    first_question: str
    turns: int
    runs: int
    begun: float
    updated: float


class TurnRecord(_Message):
    """A question that was answered, and the answer. ``turn`` is its number in the session, which may have gaps."""

    run_id: str
    turn: int | None = None
    question: str
    answer: str


class SessionRecord(_Message):
    """A session with its turns, the first one first, and the settings of its last run.

    ``cut`` is the id of that run when it is over and came to no answer.
    """

    session_id: str
    cut: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    turns: list[TurnRecord] = Field(default_factory=list)


class Welcome(_Message):
    """The server heard the kernel.

    ``notebook`` is the notebook's path as the contents manager has it; ``writes`` says whether the server writes the
    trace notebook, so that the kernel need not; ``last`` is this notebook's last session.
    """

    type: Literal["welcome"] = "welcome"
    load_id: str
    notebook: str | None = None
    writes: bool = False
    last: SessionRecord | None = None
    begun: float | None = None


class Introduce(_Message):
    """The server does not know this kernel, as when it was started later; the kernel says ``Hello`` again."""

    type: Literal["introduce"] = "introduce"


class Notebook(_Message):
    """The notebook has another path now; None: there is none any more."""

    type: Literal["notebook"] = "notebook"
    path: str | None


class Written(_Message):
    """Where the server writes the trace notebook, and what keeps it from that.

    The path is None where none is to be written; then the problem says why.
    """

    type: Literal["written"] = "written"
    path: str | None
    problem: str | None


class Stored(_Message):
    """The run has ended, and all its ``events`` are in the store."""

    type: Literal["stored"] = "stored"
    run_id: str
    events: int


class Missing(_Message):
    """Events of a run that never came: ranges of numbers, both ends included. The kernel sends them again."""

    type: Literal["missing"] = "missing"
    run_id: str
    ranges: list[tuple[int, int]]


class TellSessions(_Message):
    """The notebook's sessions, the last one first."""

    type: Literal["tell_sessions"] = "tell_sessions"
    request_id: str
    sessions: list[SessionSummary]


class TellSession(_Message):
    """The session that was asked for; None when the notebook has none whose id begins so, or more than one."""

    type: Literal["tell_session"] = "tell_session"
    request_id: str
    session: SessionRecord | None = None
    found: int = 0


class TellTrace(_Message):
    """Events of the run that was asked for, each as the JSON of the trace's schema, in order.

    ``next`` is the number to ask on from; None after the last one. No ``run_id``: there is no such run of the notebook,
    or more than one, as many as were ``found``. ``running``: it is under way, as far as the server knows.
    """

    type: Literal["tell_trace"] = "tell_trace"
    request_id: str
    run_id: str | None = None
    found: int = 0
    running: bool = False
    events: list[str] = Field(default_factory=list)
    next: int | None = None


class Decision(_Message):
    """What the user decided about a proposed block; ``code`` is what runs when it was edited, ``reason`` is told."""

    review_id: str
    decision: Review
    code: str | None = None
    reason: str | None = None


class Control(_Message):
    """Steer a run: end it after this iteration, halt it there and let it go on, tell its model something, decide."""

    type: Literal["control"] = "control"
    run_id: str
    action: Literal["stop", "pause", "resume", "note", "decide"]
    note: str | None = None
    decision: Decision | None = None


class Reviewer(_Message):
    """Whether somebody decides about code blocks through the server; if not, the user is asked in the cell."""

    type: Literal["reviewer"] = "reviewer"
    present: bool


ToKernel: TypeAlias = Annotated[
    Welcome
    | Introduce
    | Notebook
    | Written
    | Stored
    | Missing
    | TellSessions
    | TellSession
    | TellTrace
    | Control
    | Reviewer,
    Field(discriminator="type"),
]

from_kernel: TypeAdapter[FromKernel] = TypeAdapter(FromKernel, config=ConfigDict(defer_build=True))
to_kernel: TypeAdapter[ToKernel] = TypeAdapter(ToKernel, config=ConfigDict(defer_build=True))
