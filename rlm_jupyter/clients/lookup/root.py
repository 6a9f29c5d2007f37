"""The offline extractor as a root: reads the conversation so far, and makes the next move."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rlm_jupyter.core.protocols import Message

from . import moves
from .answer import HELP, compose
from .own_code import own_code
from .question import read_question

__all__ = ["Task", "find_task", "root_reply"]

_LONG_QUESTION = 400  # characters; a longer one brings its own material
_MANY = "_lookup_context"  # what several variables are searched as
_STEP = re.compile(r"^# (look|ask|rank|answer|try):", re.MULTILINE)
_LISTED = re.compile(r"^- `(\w+)`: (.*)$", re.MULTILINE)
_CONTEXT = re.compile(r"(?:session_)?context_\d+")
_ERROR = re.compile(r"^[\w.]*(?:Error|Exception|Interrupt|Exit)\b.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked, and what there is to look into.

    ``context`` is the name of the current context, ``material`` whether it is more than the question; ``earlier`` are
    the contexts of earlier questions that are worth searching, ``variables`` the user's own.
    """

    question: str
    context: str
    material: bool
    earlier: tuple[str, ...]
    variables: tuple[str, ...]


def find_task(messages: Sequence[Message]) -> int | None:
    """Return the index of the message that sets the current task, or None when this is no root conversation."""
    if not messages or messages[0]["role"] != "system":
        return None
    for index in range(len(messages) - 1, 0, -1):
        if messages[index]["role"] == "user" and messages[index]["content"].startswith("## Question\n"):
            return index
    return None


def read_task(message: str) -> Task:
    """Read the sections ``## Question``, ``## Context`` and ``## Variables`` of a task's message."""
    question, _, rest = message.removeprefix("## Question\n").rpartition("\n## Context\n")
    rest = rest.partition("\n## Notes\n")[0]
    context, _, variables = rest.partition("\n## Variables\n")
    name = re.search(r"`(\w+)`", context)
    alone = re.match(r"[^\n]*\b(?:the question itself|no (?:other|separate) (?:material|context))", context.lstrip())
    return Task(
        question=question.strip(),
        context=name[1] if name else "",
        material=name is not None and alone is None,
        earlier=tuple(found[1] for found in _LISTED.finditer(context) if _worth_searching(found[1], found[2])),
        variables=tuple(found[1] for found in _LISTED.finditer(variables)),
    )


def _worth_searching(name: str, summary: str) -> bool:
    """Whether it is an earlier context, and no conversation, and more than a short string, such as a question."""
    if not _CONTEXT.fullmatch(name):
        return False
    size = re.match(r"str, ([\d,]+) characters$", summary)
    return size is None or int(size[1].replace(",", "")) > _LONG_QUESTION


def root_reply(messages: Sequence[Message], task_at: int) -> str:
    """Return the next reply of the conversation whose task stands at that index. Answers after six replies at most."""
    task = read_task(messages[task_at]["content"])
    turns = messages[task_at + 1 :]
    replies = [each["content"] for each in turns if each["role"] == "assistant"]
    observation = turns[-1]["content"] if turns else ""
    if "your final answer now" in observation[-400:]:
        return _plain(_best_so_far(task, turns))
    step = _STEP.search(replies[-1]) if replies else None
    if step is None:
        return _first(task)
    if step[1] == "look":
        return _after_look(task, observation)
    if step[1] == "ask":
        return _after_ask(task, observation, sum("# ask:" in reply for reply in replies))
    if step[1] == "rank":
        return _after_rank(task, observation)
    if step[1] == "try":
        said = f"I ran the code in the question as it stands, and it failed: {_failure(observation)}. {HELP}"
        return _answer("That did not run.", said)
    return f"FINAL({_plain(_best_so_far(task, turns))})"


def _first(task: Task) -> str:
    if (code := own_code(task.question, task.variables, may_ask=not task.material)) is not None:
        return moves.fenced("The question holds code; I run it as it stands.", code)
    if not task.material:
        if sources := _sources(task):
            bound = f"{_MANY} = {{{', '.join(f'{name!r}: {name}' for name in sources)}}}\n" if len(sources) > 1 else ""
            sentence = "No context came with the question; I look at what it speaks of."
            return moves.fenced(sentence, bound + moves.look(_target(task)))
        if task.context and len(task.question) > _LONG_QUESTION:
            return _answer_with(
                "The question brings its own material; one call reads it.", f"llm_query({task.context})"
            )
        return _answer("There is nothing here to look into.", HELP)
    return moves.fenced(f"First I look at what `{task.context}` is.", moves.look(task.context))


def _sources(task: Task) -> list[str]:
    """Return what to search when no context came with the question: variables that it names, else the last context."""
    return _named_variables(task) or list(task.earlier[-1:])


def _target(task: Task) -> str:
    sources = [task.context] if task.material else _sources(task)
    return sources[0] if len(sources) == 1 else _MANY


def _after_look(task: Task, observation: str) -> str:
    seen = moves.read_look(observation)
    if seen is None:
        sentence = f"Looking failed ({_failure(observation)}), so I take the context as plain text."
        return moves.fenced(sentence, moves.ask(_target(task), task.question, moves.Look("object", "object", None)))
    size = "of unknown size" if seen.characters is None else f"of {seen.characters:,} characters"
    how = "one call reads it" if moves.fits_one_call(seen) else "I cut it up and ask about all excerpts at once"
    sentence = f"`{_target(task)}` is a {seen.type} ({seen.shape}) {size}: {how}."
    return moves.fenced(sentence, moves.ask(_target(task), task.question, seen))


def _after_ask(task: Task, observation: str, tries: int) -> str:
    if re.search(r"^replies: \d+$", observation, re.MULTILINE):
        return moves.fenced("Every excerpt has its replies; now I compare them with each other.", moves.rank())
    if tries > 1:
        return _gave_up(observation)
    sentence = f"That failed ({_failure(observation)}), so I take the context as plain text."
    return moves.fenced(sentence, moves.ask(_target(task), task.question, moves.Look("object", "object", None)))


def _after_rank(task: Task, observation: str) -> str:
    ranking = moves.read_ranking(observation)
    if ranking is None:
        return _gave_up(observation)
    found = "The best passage answers the question." if ranking.passages else "No excerpt has a passage that matches."
    return _answer(found, compose(read_question(task.question), ranking))


def _gave_up(observation: str) -> str:
    return _answer("I cannot get further.", f"The context could not be searched: {_failure(observation)}. {HELP}")


def _answer(sentence: str, content: str) -> str:
    return _answer_with(sentence, moves.literal(content))


def _answer_with(sentence: str, expression: str) -> str:
    code = f"""# answer: what was found, and where it stands
answer["content"] = {expression}
answer["ready"] = True"""
    return moves.fenced(sentence, code)


def _failure(observation: str) -> str:
    errors = _ERROR.findall(observation)
    return errors[-1][:300] if errors else "its output was not what was expected"


def _plain(text: str) -> str:
    """Return the text with nothing in it that the loop would take for an answer or for code to run."""
    return re.sub(r"`{3,}|~{3,}", "'''", re.sub(r"(FINAL|FINAL_VAR)\(", r"\1 (", text))


def _best_so_far(task: Task, turns: Sequence[Message]) -> str:
    for message in reversed(turns):
        ranking = moves.read_ranking(message["content"]) if message["role"] == "user" else None
        if ranking is not None:
            return compose(read_question(task.question), ranking)
    return f"No answer: the run ended before the context was searched. {HELP}"


def _named_variables(task: Task) -> list[str]:
    """Return the variables that the question names, or has the singular or plural of."""
    words = {word.lower() for word in re.findall(r"\w+", task.question)}
    words |= {f"{word}s" for word in words} | {word.removesuffix("s") for word in words}
    return [name for name in task.variables if name.lower() in words]
