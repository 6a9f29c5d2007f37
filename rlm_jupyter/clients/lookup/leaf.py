"""What the offline extractor replies to a sub-call: the passages of the prompt that best match the question in it."""

from __future__ import annotations

import json
import re

from .answer import HELP
from .moves import PROMPT_HEAD
from .passages import Section, read_sections, search
from .question import Question, read_question

__all__ = ["leaf_reply"]

_OWN = re.compile(re.escape(PROMPT_HEAD) + r"\nQuestion: (\".*\")\n")
_LABELLED = re.compile(
    r"^[ \t#*]*(?:question|query|task|instructions?)[ \t*]*:[ \t*]*(\S.*)$", re.IGNORECASE | re.MULTILINE
)
_ASKING = re.compile(r"[^\s.?!][^.?!\n]*(?:\.\w[^.?!\n]*)*\?")
_SENTENCE = re.compile(r".+?(?:[.!?]['\")\]]*(?=\s|$)|$)")
_ENDS = 2_000  # characters at either end of a prompt in which its question is looked for
_LEAST = 40  # characters; less than that is nothing to look into
_SIGN = "[offline extractor, no language model]"


def leaf_reply(prompt: str) -> str:
    """Return the best passages of the prompt.

    To a prompt of the offline root: one JSON object per line, first what was searched and how often each term was
    found, then the passages, best first. To any other prompt: prose.
    """
    own = _OWN.match(prompt)
    return _plain_reply(prompt) if own is None else _own_reply(json.loads(own[1]), prompt, own.end())


def _own_reply(question: str, prompt: str, start: int) -> str:
    passages, found = search(read_question(question), prompt, read_sections(prompt, start))
    searched = len(prompt) - start
    count = "1 passage" if len(passages) == 1 else f"{len(passages) or 'no'} passages"
    summary = json.dumps({"searched": searched, "found": found}, ensure_ascii=False)
    title = f"{_SIGN} {count} in {searched:,} characters"
    return "\n".join([title, summary, *(passage.to_json() for passage in passages)])


def _plain_reply(prompt: str) -> str:
    before, asked, after = _parts(prompt)
    if len(before.strip()) + len(after.strip()) < _LEAST:
        return f"{_SIGN} {HELP}"
    question = read_question(asked)
    text = f"{before}\n{after}"
    passages, _ = search(question, text, [Section("prompt", 1, 0, len(text))], limit=2)
    if not passages:
        return f"{_SIGN} Nothing in the prompt matches the question in it. {HELP}"
    return f"{_SIGN} What matches best: {' [...] '.join(_sentences(question, passage.text) for passage in passages)}"


def _sentences(question: Question, text: str) -> str:
    """Return the two sentences of a passage that hold most of the question, in their order."""
    sentences = _SENTENCE.findall(" ".join(text.split()))
    weights = [_weight(question, sentence.lower()) for sentence in sentences]
    best = sorted(range(len(sentences)), key=lambda index: -weights[index])[:2]
    return " ".join(sentences[index].strip() for index in sorted(best) if weights[index] or len(sentences) == 1)


def _weight(question: Question, sentence: str) -> float:
    pairs = sum(pair.search(sentence) is not None for pair in question.pairs)
    return pairs + sum(term.weight for term in question.terms if term.occurs_in(sentence))


def _parts(prompt: str) -> tuple[str, str, str]:
    """Return what stands before the question, the question, and what stands after it.

    The question is what follows a label, else what ends in a question mark, else the first line.
    """
    labelled = list(_LABELLED.finditer(prompt))
    if labelled:
        return prompt[: labelled[-1].start()], labelled[-1][1], prompt[labelled[-1].end() :]
    tail = max(0, len(prompt) - _ENDS)
    asking = [*_ASKING.finditer(prompt, 0, min(_ENDS, len(prompt))), *_ASKING.finditer(prompt, tail)]
    last = [match for match in asking if not prompt[match.end() :].strip(" \n\"'`")]
    found = (last or asking or [*re.finditer(r"\S[^\n]*", prompt[:_ENDS])])[:1]
    if not found:
        return "", "", ""
    question = found[0]
    return prompt[: question.start()], question[0], prompt[question.end() :]
