"""What the root model is told: how the REPL works, what it was asked, and what it can look at.

The headings ``## Question``, ``## Context``, ``## Variables``, ``## Answer format`` and ``## Notes`` are a protocol,
and come in this order: the offline client reads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .describe import ValueSummary

__all__ = [
    "COMPACTION_REQUEST",
    "CUT_OFF",
    "GO_ON",
    "NO_SUMMARY",
    "QUESTION_LIMIT",
    "REMINDER",
    "Tool",
    "closing_request",
    "first_message",
    "plain_format",
    "rejection",
    "system_prompt",
    "user_note",
]

QUESTION_LIMIT = 8_000
"""Characters of the question that are shown; all of it stands in the context."""

_SYSTEM = """\
You answer a question by working in a Python REPL. The material may be far larger than what you can read at once, so it
is not in this conversation: it is in variables. You write code that looks into them, you are shown what the code
printed, and you go on until you can answer.

# How a turn goes

Say in a sentence what you are about to find out, then write code in a fence:

```repl
print(type(context_0), len(context_0))
```

The code runs, and the next message shows you its output; you see nothing of a variable that you did not print. State is
kept from block to block. Long output is shown by its beginning and its end only, so print what you need and no more.
Never write what you expect the output to be: wait for it.

# What is there

- `context_0`, `context_1`, ...: the material. The message with the question says which is the current one. `context` is
  `context_0`.
- `llm_query(prompt, model=None) -> str`: asks a language model. It sees only the prompt, and can read some hundred
  thousand characters: put the passage and the question into it.
- `llm_query_batched(prompts, model=None) -> list[str]`: the same for many prompts at once, in parallel, answers in
  order. Much faster than a loop. A call that failed gives a string that begins with `Error:`.
- A prompt may hold pictures: `llm_query(["What is on it?", picture])`, with a PIL image, a figure, or encoded bytes.
{children}\
- `await llm_query_async(prompt)` and `await rlm_query_async(prompt)`: the same for code that awaits (`asyncio.gather`).
- `SHOW_VARS()`: the names that there are, with types and sizes.
- `answer`: how you answer. Set `answer["content"]` to your answer, then `answer["ready"] = True`. Until it is ready you
  can improve it.
- `FINAL(value)` and `FINAL_VAR("name")`: the same in one call.
{history}{tools}
# How to work

- Look before you cut: type, length, a sample of the beginning.
{dividing}\
- When something fails, read the traceback and mend it. When the answer is found and checked once, give it: do not
  verify it again and again.
- Answer in prose, exactly what was asked, with where it stands. Do not mention the REPL.

{guide}"""

_CHILDREN = """\
- `rlm_query(prompt, model=None) -> str` and `rlm_query_batched(prompts, model=None) -> list[str]`: a child that works
  as you do, with a REPL of its own, for what needs several steps of work. It sees only the prompt, which is its
  `context` and may be long: put the question and the material into it. What one reading can answer, ask `llm_query`.
"""

_NO_CHILDREN = """\
- `rlm_query` and `rlm_query_batched`: the same as `llm_query` and `llm_query_batched`.
"""

_DIVIDING = """\
- Use code for what code can do (search, count, sort, parse) and `llm_query` for what needs reading. Cut large material
  into pieces of up to about {piece} characters and ask about all of them with one `llm_query_batched`; keep the answers
  in a variable and combine them.
"""

_HISTORY = """\
- `history`: when this conversation has become too long to be read at once, you are asked to sum it up, and go on from
  your summary. From then on `history` is the whole conversation up to there, a list of dicts with `role` and `content`.
  Keep findings in variables: they stay.
"""

_PIECE = 100_000  # characters, which the models of today read well

COMPACTION_REQUEST = """\
This conversation has become too long to be carried on whole. Sum it up in plain text, for yourself, who will go on from
the question and this summary alone: what has been found out so far, with the exact values and places; which variables
hold what; what was tried in vain; what is to be done next. Write no code and do not answer the question now."""

GO_ON = """\
That summary now stands for the conversation up to here; all of it is in the variable `history`, a list of dicts with
`role` and `content`. The variables are as they were. Go on."""

NO_SUMMARY = "(No summary was written. The conversation so far is in `history`.)"

_FORMAT = """\
The answer is no prose but a value, which a program will read: it must fit this JSON schema. Put it into
`answer["content"]` as a dict, list, number or string of its own, or as JSON text."""

_SHOWN = (
    "Its pictures come with this message. Code has them, too: llm_query([question, {}]) lets a language model look. It "
    "holds:"
)

CUT_OFF = """\
Your last reply was cut off: it had become as long as a reply may be, and its end is missing. Write less at a time: do
one step per reply, in a short block, and put long texts together in variables, piece by piece."""
"""What a model is told whose reply ended at its length limit."""

REMINDER = """\
Your reply held neither code nor an answer. Write a ```repl block to look further, or, when you know the answer, set
`answer["content"]` and `answer["ready"] = True` in one."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A custom function or value that the user put into the namespace, and what it is for."""

    name: str
    description: str


def system_prompt(
    guide: str,
    tools: Sequence[Tool] = (),
    *,
    children: bool = False,
    compaction: bool = False,
    orchestrator: bool = True,
    window: int | None = None,
) -> str:
    """Return the system prompt; ``guide`` is what the environment says of itself.

    With ``children`` it says what ``rlm_query`` is for, and else that it is a plain call. With ``compaction`` it tells
    that the conversation may be summed up, and where it is found then. As an ``orchestrator`` the model is told how to
    divide the work: into pieces that fit a ``window`` of so many tokens twice, where it is told.
    """
    lines = "".join(f"- `{tool.name}`: {tool.description}\n" for tool in tools)
    parts = {
        "children": _CHILDREN if children else _NO_CHILDREN,
        "history": _HISTORY if compaction else "",
        "dividing": _DIVIDING.format(piece=f"{_piece(window):,}") if orchestrator else "",
    }
    return _SYSTEM.format(tools=lines, guide=guide, **parts).rstrip() + "\n"


def _piece(window: int | None) -> int:
    """Return how many characters a piece may have, of which a token takes about four."""
    return _PIECE if window is None else min(_PIECE, max(1_000, window * 2 // 1_000 * 1_000))


def first_message(  # noqa: PLR0913 - a part of the message each
    question: str,
    current: str,
    context: ValueSummary | None,
    others: Mapping[str, ValueSummary],
    variables: Mapping[str, ValueSummary],
    *,
    pictures: str | None = None,
    unlisted: int = 0,
    answer_schema: str | None = None,
    notes: str | None = None,
) -> str:
    """Return the message that asks the question.

    ``context`` describes the current context, named ``current``; it is None when that is the question itself.
    ``pictures`` is the context in words, where it is a picture or a list with some that the message shows, too.
    ``others`` are the contexts of earlier questions, ``variables`` the user's own that code can see, of which
    ``unlisted`` more are not told of. ``answer_schema`` is the JSON schema that the answer has to fit, if it has to;
    ``notes`` are the caller's own words on the task.
    """
    parts = ["## Question", question, "## Context"]
    if context is None:
        parts.append(f"`{current}` is the current context. It is the question itself; no other material was given.")
    elif pictures is not None:
        shown = f"{_SHOWN.format(current)}\n\n{_indented(pictures)}"
        parts.append(f"`{current}` is the current context: {context}. {shown}")
    else:
        parts.append(f"`{current}` is the current context: {context}. It begins:\n\n{_quoted(context)}")
    if others:
        parts.append("\n".join(["From earlier questions:\n", *_listed(others)]))
    if variables:
        more = [f"- and {unlisted:,} more: see SHOW_VARS()"] if unlisted else []
        parts += ["## Variables", "The user's own, which your code can use:", "\n".join([*_listed(variables), *more])]
    if answer_schema is not None:
        parts += ["## Answer format", _FORMAT, f"```json\n{answer_schema}\n```"]
    if notes:
        parts += ["## Notes", notes]
    return "\n\n".join(parts)


def _listed(summaries: Mapping[str, ValueSummary]) -> list[str]:
    return [f"- `{name}`: {summary}" for name, summary in summaries.items()]


def _quoted(summary: ValueSummary) -> str:
    return _indented(summary.preview)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def plain_format(answer_schema: str) -> str:
    """Return what asks a model without a REPL for an answer that fits the JSON schema."""
    return f"Reply with JSON that fits this JSON schema, and with nothing else:\n\n```json\n{answer_schema}\n```"


def rejection(complaint: str, *, plain: bool = False) -> str:
    """Return the message that tells what is wrong with an answer; ``plain`` for a model without a REPL."""
    how = "Reply with the whole of it again" if plain else "Mend it and answer again; your variables are as they were"
    return f"Your answer was not accepted. {complaint}\n\n{how}."


def user_note(text: str) -> str:
    """Return what the model is told of what the user has to say while the run is under way."""
    return f"The user says: {text}"


def closing_request(iterations: int, *, typed: bool = False) -> str:
    """Return the message that asks for an answer when the iterations are used up; ``typed`` when it has a format."""
    how = (
        "as JSON in the answer format and nothing else, from what you have seen."
        if typed
        else "as plain text, from what you have seen. Say what you could not establish."
    )
    return f"You have used all {iterations} iterations; no more code will be run. Give your final answer now, {how}"
