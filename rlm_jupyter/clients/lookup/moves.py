"""The code that the offline root model writes: look, ask, rank. Each move prints one line that says what came of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from string import Template

__all__ = [
    "PROMPT_HEAD",
    "Look",
    "Ranking",
    "ask",
    "fenced",
    "fits_one_call",
    "literal",
    "look",
    "rank",
    "read_look",
    "read_ranking",
]

PROMPT_HEAD = "Find the passages in these excerpts that answer the question. Reply with one JSON object per line."

_EXCERPTS = 128  # how many a large context is cut into
_SMALLEST_EXCERPT = 40_000  # characters
_ONE_CALL = 60_000  # characters; up to this size one sub-call reads it all
_BEST = 5

_LOOK = Template("""\
# look: what is it, how large, how does it begin?
from collections.abc import Collection as _Collection, Mapping as _Mapping
from itertools import islice as _islice

def _lookup_shape(value):
    if isinstance(value, str):
        return "text", len(value), value[:200]
    if isinstance(value, (bytes, bytearray)):
        return "bytes", len(value), bytes(value[:200])
    if hasattr(value, "itertuples"):
        return "table", None, list(_islice(value.itertuples(), 2))
    if isinstance(value, _Mapping):
        texts, sample = list(value.values()), list(_islice(value.items(), 2))
        shape = "mapping"
    elif isinstance(value, _Collection):
        texts = list(value)
        shape, sample = "collection", texts[:2]
    else:
        return "object", None, value
    readable = all(isinstance(text, str) for text in texts)
    return shape + " of texts" * readable, sum(map(len, texts)) if readable else None, sample

_lookup_found = _lookup_shape($target)
print(f"shape: {_lookup_found[0]}; type: {type($target).__name__}; characters: {_lookup_found[1]}")
print("begins:", repr(_lookup_found[2])[:400])
""")

_TEXT_OF = """
def _lookup_text(value):
    if isinstance(value, str):
        return value
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8", "replace")
    try:
        flat = _json.dumps(value, ensure_ascii=False, default=str)
        return flat if len(flat) < 2_000 else _json.dumps(value, ensure_ascii=False, default=str, indent=1)
    except (TypeError, ValueError):
        return str(value)
"""

_CUT = '''
def _lookup_excerpts(texts, size, overlap=2_000):
    """Group texts into excerpts of about that size; cut long ones at a line's end, the pieces overlapping a little."""
    group, filled = [], 0
    for where, text in texts:
        start, line = 0, 1
        while True:
            end = len(text)
            if end - start > size:
                end = text.rfind("\\n", start + size // 2, start + size) + 1 or start + size
            if group and filled + end - start > size:
                yield group
                group, filled = [], 0
            group.append((where, line, text[start:end]))
            filled += end - start
            if end == len(text):
                break
            again = text.rfind("\\n", end - 2 * overlap, end - overlap) + 1 or end - overlap
            line += text.count("\\n", start, again)
            start = again
    if group:
        yield group
'''

_PROMPT = Template("""
def _lookup_prompt(group):
    parts = [$head, "\\nQuestion: ", _json.dumps($question), "\\n"]
    for where, line, text in group:
        parts += [f"@@ {len(text)} characters from line {line} of {_json.dumps(where)}\\n", text, "\\n"]
    return "".join(parts)
""")

_ASK_ONE = Template("""
_lookup_texts = [(where, 1, text) for where, text in $texts]
_lookup_replies = [llm_query(_lookup_prompt(_lookup_texts))]
print("replies: 1")
""")

_ASK_MANY = Template("""
_lookup_prompts = [_lookup_prompt(group) for group in _lookup_excerpts($texts, size=$size)]
_lookup_replies = llm_query_batched(_lookup_prompts)
print("replies:", len(_lookup_replies))
print("with a passage:", sum('"score"' in reply for reply in _lookup_replies))
""")

_TEXTS = {
    "text": '[("$target", $target)]',
    "bytes": '[("$target", bytes($target).decode("utf-8", "replace"))]',
    "table": '((f"row {row[0]}", _lookup_text(row._asdict())) for row in $target.itertuples())',
    "mapping of texts": "((str(key), text) for key, text in $target.items())",
    "mapping": "((str(key), _lookup_text(value)) for key, value in $target.items())",
    "collection of texts": '((f"$target[{index}]", text) for index, text in enumerate($target))',
    "collection": '((f"$target[{index}]", _lookup_text(item)) for index, item in enumerate($target))',
    "object": '[("$target", str($target))]',
}

_RANK = Template("""\
# rank: weigh each word by how rare it is over all replies, and order the passages of all excerpts by it
import json as _json, math as _math

_lookup_lines = [line for reply in _lookup_replies for line in reply.split("\\n")]
_lookup_records = [_json.loads(line) for line in _lookup_lines if line.startswith("{")]
_lookup_failed = [reply for reply in _lookup_replies if reply.startswith("Error:")]

def _lookup_ranked(records):
    searched, found = 0, {}
    for record in records:
        searched += record.get("searched", 0)
        for term, count in record.get("found", {}).items():
            found[term] = found.get(term, 0) + count
    passages = {}
    for record in records:
        if "score" in record:
            rarity = {term: _math.log(1 + (1 + searched / 40) / (1 + found.get(term, 0))) for term in record["terms"]}
            score = record["points"] + sum(weight * rarity[term] for term, weight in record["terms"].items())
            place = record["where"], record["line"]
            if place not in passages or passages[place]["score"] < score:
                passages[place] = {**record, "score": round(score, 2)}
    return sorted(passages.values(), key=lambda passage: -passage["score"])

_lookup_best = _lookup_ranked(_lookup_records)
print(f"passages: {len(_lookup_best)}; replies: {len(_lookup_replies)}; failed: {len(_lookup_failed)}")
for _lookup_passage in _lookup_best[:$best]:
    print(_json.dumps(_lookup_passage, ensure_ascii=False))
for _lookup_reply in _lookup_failed[:1]:
    print("first failure:", repr(_lookup_reply[:300]))
""")


@dataclass(frozen=True, slots=True)
class Look:
    """What the first move found: the context's shape, its type's name, its size in characters where that is cheap."""

    shape: str
    type: str
    characters: int | None


@dataclass(frozen=True, slots=True)
class Ranking:
    """What the last move found: the best passages, as records, and how many replies there were and failed."""

    passages: list[dict[str, object]]
    replies: int
    failed: int
    failure: str


def look(target: str) -> str:
    """Return code that looks at what the expression ``target`` holds."""
    return _LOOK.substitute(target=target)


def read_look(observation: str) -> Look | None:
    """Return what ``look`` printed, or None when it failed."""
    line = re.search(r"^shape: ([a-z ]+); type: (.*); characters: (\d+|None)$", observation, re.MULTILINE)
    if line is None or line[1] not in _TEXTS:
        return None
    return Look(line[1], line[2], None if line[3] == "None" else int(line[3]))


def fits_one_call(seen: Look) -> bool:
    """Whether the context is small enough for one sub-call to read all of it."""
    return seen.characters is not None and seen.characters <= _ONE_CALL


def ask(target: str, question: str, seen: Look) -> str:
    """Return code that puts the question to a model over what ``target`` holds, in one call or in one per excerpt."""
    texts = Template(_TEXTS[seen.shape]).substitute(target=target)
    parts = ["# ask: put the question to a model, excerpt by excerpt\nimport json as _json\n"]
    if "_lookup_text(" in texts:
        parts.append(_TEXT_OF)
    one_call = fits_one_call(seen)
    if not one_call:
        parts.append(_CUT)
    parts.append(_PROMPT.substitute(head=literal(PROMPT_HEAD), question=literal(question)))
    size = max(_SMALLEST_EXCERPT, (seen.characters or 0) // _EXCERPTS)
    parts.append(_ASK_ONE.substitute(texts=texts) if one_call else _ASK_MANY.substitute(texts=texts, size=f"{size:_}"))
    return "".join(parts)


def rank() -> str:
    """Return code that ranks the passages of all replies and prints the best."""
    return _RANK.substitute(best=_BEST)


def read_ranking(observation: str) -> Ranking | None:
    """Return what ``rank`` printed, or None when it failed."""
    line = re.search(r"^passages: (\d+); replies: (\d+); failed: (\d+)$", observation, re.MULTILINE)
    if line is None:
        return None
    rest = observation[line.end() :]
    passages = list(_records(rest))
    failure = re.search(r"^first failure: (.*)$", rest, re.MULTILINE)
    return Ranking(passages, int(line[2]), int(line[3]), failure[1] if failure else "")


def _records(lines: str) -> Iterator[dict[str, object]]:
    for line in re.findall(r'^\{"score": .*\}$', lines, re.MULTILINE):
        try:
            yield json.loads(line)
        except ValueError:
            continue  # the observation was cut in this line


def fenced(sentence: str, code: str) -> str:
    """Return a reply: a sentence of reasoning and a block of code."""
    return f"{sentence}\n\n```repl\n{code.strip()}\n```\n"


def literal(text: str) -> str:
    """Return a Python literal of the text, over several lines where it has them, and without a fence in it."""
    plain = all(char.isprintable() or char == "\n" for char in text)
    if "\n" in text and plain and "\\" not in text and "``" not in text and '"' not in text[-1:] and '"""' not in text:
        return f'"""\\\n{text}"""'
    return repr(text).replace("```", "\\x60\\x60\\x60")
