"""What a question asks for, as far as its words tell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["Question", "Term", "dotted_place", "is_function_word", "read_question"]

_STOP = frozenset(
    """a about again all also an and any anywhere are as at be been being but by can could did do does each else every
    exactly few find for from get gets give given gives had has have he her here him his how i if in into is it its just
    let like me more most my name named no nor not of on only or other our out over please say says said shall she
    should show so some such tell than that the their them then there these they this those to too under us use used
    very was we were what whatever when where which while who whom whose why will with within would you your""".split()
)
_FRAME = frozenset(
    """attribute called class classes code constant constants contain containing contains context data declaration
    declare declared declares define defined defines definition docstring docstrings document documentation documented
    documents equal exception exceptions exist exists file files found function functions implement implementation
    implemented implements library line lines live lives located mention mentioned mentions method methods module
    modules occur occurs package packages paragraph passage phrase python sentence source standard stated states string
    text value values variable word words write written writes""".split()
)
_KINDS = {
    "class": "class", "classes": "class", "exception": "class", "type": "class", "struct": "class", "enum": "class",
    "function": "def", "functions": "def", "method": "def", "decorator": "def", "generator": "def", "coroutine": "def",
    "constant": "value", "variable": "value", "attribute": "value", "setting": "value",
}  # fmt: skip
_KIND = "|".join(_KINDS)
_CONTAINERS = "module|package|file|library"
_QUOTED = re.compile(
    r"`([^`\n]+)`|\"([^\"\n]+)\"|“([^”\n]+)”|«([^»\n]+)»|(?<!\w)['‘]([^'’\n]+(?:['’]\w[^'’\n]*)*)['’](?!\w)"
)
_NAMED = re.compile(
    rf"(?<!which )(?<!what )(?<!any )(?<!every )\b(?:{_KIND})\s+(?:(?:named|called)\s+)?"
    r"[`\"'“‘]?([^\W\d][\w.]*\w|[^\W\d])",
    re.IGNORECASE,
)
_NAMED_BEFORE = re.compile(rf"\bthe\s+[`\"'“‘]?([^\W\d][\w.]*)[`\"'”’]?(?:\(\))?\s+(?:{_KIND})\b", re.IGNORECASE)
_PLACES = (
    re.compile(rf"\b(?:{_CONTAINERS})\s+[`\"'“‘]?([\w./-]*\w)", re.IGNORECASE),
    re.compile(rf"\b([\w./-]*\w)[`\"'”’]?\s+(?:{_CONTAINERS})\b", re.IGNORECASE),
    re.compile(r"\b([\w/-]+\.py|[\w-]+/[\w./-]*\w)"),
)
_DEFINES = re.compile(r"\b(?:defin|declar|implement|docstring|signature)", re.IGNORECASE)
_WHERE = re.compile(r"\bwhere\s+(?:is|are|does|do|can|was|were)\b", re.IGNORECASE)
_DOCUMENTS = re.compile(r"\b(?:docstrings?|documentation|documented)\b", re.IGNORECASE)
_VALUE = re.compile(r"\b(?:values?|equals?|set to|constant|default)\b", re.IGNORECASE)
_MODULE_DOCSTRING = re.compile(
    rf"docstrings?\s+(?:of|for|in)\s+(?:the\s+)?(?:\S+\s+)?(?:{_CONTAINERS})|(?:{_CONTAINERS})(?:'s|’s)?\s+(?:\S+(?:'s|’s)?\s+)?docstring|"
    rf"docstring\s+does\s+the\s+(?:\S+\s+)?(?:{_CONTAINERS})\b",
    re.IGNORECASE,
)
_SAYS = re.compile(
    r"\b(?:says?|states?|mentions?|contains?|reads?)\s+(?:that\s+|the\s+(?:words?|phrase|sentence|text)\s+)([^?\n]+)",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"\w+(?:\.\w+)*")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+")
_IDENTIFIER = re.compile(r"\w*[a-z]\w*[A-Z]\w*|\w+_\w*|_\w+|[A-Z][A-Z0-9]+|[^\W\d]+\d\w*")

_QUOTED_WEIGHT, _NAME_WEIGHT, _CAPITAL_WEIGHT, _PHRASE_WEIGHT = 4.0, 3.0, 1.5, 1.5
_FRAME_WEIGHT, _PART_WEIGHT = 0.2, 0.3
_LONG_STEM = 5  # a stem of this length says enough to be looked for inside words too (chain in BlockchainMap)


@dataclass(frozen=True, slots=True)
class Term:
    """Something to look for: ``key`` as it stands in lower-cased text, ``weight`` its importance.

    ``pattern`` says where ``key`` counts as the word that is meant; None when it does wherever it occurs. A ``seed`` is
    worth a passage by itself; the others only tell passages apart.
    """

    key: str
    weight: float
    pattern: re.Pattern[str] | None
    seed: bool

    def occurs_in(self, lowered: str) -> bool:
        """Whether the term stands in a text that is in lower case."""
        return self.key in lowered and (self.pattern is None or self.pattern.search(lowered) is not None)


@dataclass(frozen=True, slots=True)
class Question:
    """A question, taken apart.

    ``names`` may be defined somewhere and are as they were written, ``owners`` stand before a dot (``json`` in
    ``json.dumps``); ``phrases`` match a quotation whatever its line breaks; ``kinds`` (``class``, ``def``, ``value``)
    are what the names may be, any when empty; ``places`` are modules and files, in dotted form; ``definition`` matches
    a line that defines one of the names.
    """

    text: str
    terms: tuple[Term, ...]
    pairs: tuple[re.Pattern[str], ...]
    names: tuple[str, ...]
    owners: tuple[str, ...]
    phrases: tuple[tuple[str, re.Pattern[str]], ...]
    kinds: frozenset[str]
    places: tuple[str, ...]
    definition: re.Pattern[str] | None
    wants_definition: bool
    wants_place: bool
    wants_docstring: bool
    wants_value: bool
    wants_module: bool


@lru_cache(maxsize=64)
def read_question(text: str) -> Question:
    """Return what the question asks for."""
    quoted = [next(group for group in match.groups() if group).strip() for match in _QUOTED.finditer(text)]
    phrases = [quote for quote in quoted if len(quote.split()) > 1]
    # What a phrase says is looked for as it stands; no name in it is itself asked for.
    rest = _QUOTED.sub(lambda match: " " if len(match[0].split()) > 1 else match[0], text)
    said = [found.strip(" .,:;") for found in _SAYS.findall(rest)]
    rest = _SAYS.sub(" ", rest)
    places = [place for pattern in _PLACES for place in pattern.findall(rest) if not _is_filler(place)]
    words = _TOKEN.findall(rest)
    quoted = [quote.removesuffix("()") for quote in quoted if quote not in phrases]
    names = [name for name in dict.fromkeys([*quoted, *_named(rest, words)]) if name not in places]
    last = tuple(dict.fromkeys(name.rpartition(".")[2] for name in names))
    identifiers = tuple(name for name in last if name.isidentifier())
    terms = _terms([*words, *_TOKEN.findall(" ".join(said))], quoted, last, phrases)
    return Question(
        text=text,
        terms=terms,
        pairs=_pairs(" . ".join([rest, *said, *phrases])),
        names=identifiers,
        owners=tuple(dict.fromkeys(part for name in names for part in name.split(".")[:-1])),
        phrases=tuple((phrase, _phrase_pattern(phrase)) for phrase in [*phrases, *said] if " " in phrase),
        kinds=frozenset(kind for word, kind in _KINDS.items() if re.search(rf"\b{word}\b", rest, re.IGNORECASE)),
        places=tuple(dict.fromkeys(dotted_place(place) for place in places)),
        definition=_definition_pattern(identifiers) if identifiers else None,
        wants_definition=_DEFINES.search(rest) is not None,
        wants_place=_WHERE.search(rest) is not None,
        wants_docstring=_DOCUMENTS.search(rest) is not None,
        wants_value=_VALUE.search(rest) is not None,
        wants_module=_MODULE_DOCSTRING.search(rest) is not None,
    )


def _named(text: str, words: Sequence[str]) -> list[str]:
    """Return what the text calls a class, a function and so on, and words that look like names."""
    explicit = [name for name in _NAMED.findall(text) + _NAMED_BEFORE.findall(text) if not name.islower()]
    guessed = [name for name in _NAMED.findall(text) + _NAMED_BEFORE.findall(text) if name.islower()]
    guessed += [word for word in words if _IDENTIFIER.fullmatch(word.rpartition(".")[2])]
    guessed += [word for word in words[1:] if word[0].isupper() or ("." in word and not word[0].isdigit())]
    return explicit + [name for name in guessed if not _is_filler(name)]


def dotted_place(path: str) -> str:
    """Return a path or module name in dotted form: ``collections/__init__.py`` is ``collections``."""
    return re.sub(r"[/\\]", ".", path.removesuffix(".py")).removesuffix(".__init__").strip(".").lower()


def is_function_word(word: str) -> bool:
    """Whether a word holds a sentence together and says nothing of what it is about."""
    return word.lower() in _STOP


def _is_filler(word: str) -> bool:
    if word.isupper() and len(word) > 1:
        return False  # CAN is a name, can is not
    return word.lower() in _STOP or word.lower() in _FRAME or word.lower() in _KINDS


def _terms(
    words: Sequence[str], quoted: Sequence[str], names: Sequence[str], phrases: Sequence[str]
) -> tuple[Term, ...]:
    terms: dict[str, Term] = {}

    def add(term: Term) -> None:
        if term.key not in terms or terms[term.key].weight < term.weight:
            terms[term.key] = term

    for name in names:
        weight = _QUOTED_WEIGHT if name in quoted else _NAME_WEIGHT if _IDENTIFIER.fullmatch(name) else _CAPITAL_WEIGHT
        add(_whole(name.lower(), weight))
        parts = _PARTS.findall(name)
        for part in parts if len(parts) > 1 else ():
            if len(part) > 2:
                add(Term(part.lower(), _PART_WEIGHT, None, seed=False))
    for word in [word for phrase in phrases for word in _TOKEN.findall(phrase)]:
        if word.lower() not in _STOP and len(word) > 1:
            add(_whole(word.lower(), _PHRASE_WEIGHT))
    plain = [word.lower() for word in words if word.lower() not in _STOP and len(word) > 1]
    content = [word for word in plain if word not in _FRAME and word not in terms]
    for word in content:
        add(_stemmed(word, 1.0, seed=True))
    for word in plain:
        if word in _FRAME:
            add(_stemmed(word, _FRAME_WEIGHT if terms else 1.0, seed=not any(term.seed for term in terms.values())))
    if not terms:
        terms = {word.lower(): _whole(word.lower(), 1.0) for word in words if len(word) == 1}
    return tuple(terms.values())


def _whole(key: str, weight: float) -> Term:
    return Term(key, weight, re.compile(rf"(?<!\w){re.escape(key)}(?!\w)"), seed=True)


def _stemmed(word: str, weight: float, *, seed: bool) -> Term:
    if not word.isalpha():
        return Term(word, weight * 2, re.compile(rf"(?<!\w){re.escape(word)}(?!\w)"), seed)
    stem = word
    for suffix in ("ing", "ed", "es", "s"):
        if word.endswith(suffix) and not word.endswith("ss") and len(word) - len(suffix) > 2:
            stem = word[: -len(suffix)]
            break
    if len(stem) >= _LONG_STEM:
        return Term(stem, weight, None, seed)
    return Term(stem, weight, re.compile(rf"(?<![^\W_]){stem}(?:e?s|e?d|ing)?(?![^\W_])"), seed)


def _pairs(text: str) -> tuple[re.Pattern[str], ...]:
    """Return patterns for two content words that the question has side by side."""
    found = re.findall(r"(?=\b(\w\w+)\s+(\w\w+)\b)", text.lower())
    pairs = [pair for pair in found if not any(_is_filler(word) for word in pair)]
    return tuple(re.compile(rf"{re.escape(first)}\s+{re.escape(second)}\b") for first, second in pairs)


def _definition_pattern(names: Sequence[str]) -> re.Pattern[str]:
    """Match the beginning of a line that defines a name, in Python and its neighbours."""
    name = "|".join(re.escape(name) for name in names)
    modifiers = "export|default|public|private|protected|static|final|abstract|async|pub|const|let|var|inline"
    return re.compile(
        rf"[ \t]*(?:(?:{modifiers})[ \t]+)*(?:"
        rf"(?P<keyword>class|struct|interface|enum|trait|type|def|function|func|fn|\#[ \t]*define)[ \t]+"
        rf"(?P<name>(?i:{name}))(?!\w)"
        rf"|(?P<value>(?i:{name}))[ \t]*(?::[^=\n]+)?=(?!=))"
    )


def _phrase_pattern(phrase: str) -> re.Pattern[str]:
    """Match the phrase in lower-cased text, also where a line break, an indent or a comment mark cuts it."""
    return re.compile(r"[\s#*>]+".join(re.escape(word) for word in phrase.lower().split()))
