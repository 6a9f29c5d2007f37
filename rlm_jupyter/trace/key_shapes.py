"""What keys look like: the shapes that well-known services give them, and the names that people give them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["SHAPES", "SHAPE_CUT", "KeyShape", "looks_secret", "shapes_in"]


@dataclass(frozen=True, slots=True)
class KeyShape:
    """A kind of key. A text without ``marker`` holds none, which is quick to see; ``pattern`` finds the whole key."""

    marker: str
    pattern: re.Pattern[str]
    replace: Callable[[re.Match[str]], str]


# A key does not begin inside a word, but may follow an escape: \n as a repr writes it, %3D, a terminal's colour. The
# characters before which a key may not begin are those that keys are made of, so that no run is scanned twice.
_NOT_INSIDE = r"(?:(?<![A-Za-z0-9_-]{0})|(?<=\\[nrt]{0})|(?<=%[0-9A-Fa-f]{{2}}{0})|(?<=\[\dm{0})|(?<=\[\d\dm{0}))"
_CUT = r"(?:\.\.\.|…|\n\[\.\.\. [\d,]{1,20} characters left out \.\.\.\]\n)"


def _gone(_: re.Match[str]) -> str:
    return "[redacted]"


def _key(marker: str, prefix: str, rest: str) -> KeyShape:
    return KeyShape(marker, re.compile(prefix + _NOT_INSIDE.format(prefix) + rest, re.ASCII), _gone)


def _bearer(marker: str) -> KeyShape:
    token = r"(?=[\w.~+/-]*[0-9A-Z])[\w.~+/-]{12,}=*"
    return KeyShape(marker, re.compile(rf"({marker}\s{{1,8}}){token}", re.ASCII), lambda match: f"{match[1]}[redacted]")


def _without_user(match: re.Match[str]) -> str:
    user = match[1]
    return "://[redacted]@" if ":" in user or len(user) >= 16 else match[0]


_PEM = (
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?=[\s\\rn\"']{0,20}(?:[A-Za-z0-9+/=]{16}|Proc-Type|Version))"
    r"(?:[^-]|-(?!----)){0,20000}(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?"
)

SHAPES: tuple[KeyShape, ...] = (
    _key("sk-", "sk-", r"(?=[\w-]*[0-9A-Z])[\w-]{16,}"),  # OpenAI, Anthropic, OpenRouter, DeepSeek, Langfuse
    _key("k_live_", "[rs]k_live_", r"\w{10,}"),  # Stripe
    _key("k_test_", "[rs]k_test_", r"\w{10,}"),
    _key("whsec_", "whsec_", r"\w{16,}"),
    *(_key(f"gh{kind}_", f"gh{kind}_", r"[A-Za-z0-9]{20,}") for kind in "pousr"),
    _key("github_pat_", "github_pat_", r"\w{20,}"),
    _key("glpat-", "glpat-", r"[\w-]{16,}"),
    _key("xox", "xox[abeoprs]-", r"[\w-]{10,}"),  # Slack
    _key("xapp-", "xapp-", r"[\w-]{10,}"),
    KeyShape(
        "hooks.slack.com/",
        re.compile(r"(hooks\.slack\.com/(?:services|workflows|triggers)/)[\w/+-]{8,}", re.ASCII),
        lambda match: f"{match[1]}[redacted]",
    ),
    _key("AKIA", "AKIA", r"[0-9A-Z]{16}"),  # AWS
    _key("ASIA", "ASIA", r"[0-9A-Z]{16}"),
    _key("AIza", "AIza", r"[\w-]{30,}"),  # Google
    _key("ya29.", r"ya29\.", r"[\w-]{20,}"),
    _key("hf_", "hf_", r"[A-Za-z0-9]{20,}"),
    _key("gsk_", "gsk_", r"[A-Za-z0-9]{20,}"),
    _key("xai-", "xai-", r"[A-Za-z0-9]{20,}"),
    _key("pplx-", "pplx-", r"[A-Za-z0-9]{20,}"),
    _key("npm_", "npm_", r"[A-Za-z0-9]{30,}"),
    _key("pypi-", "pypi-", r"(?=[\w-]*[0-9A-Z])[\w-]{16,}"),
    _key("eyJ", "eyJ", r"[\w-]{8,}\.[\w-]{8,}\.[\w-]*"),  # JSON web tokens
    KeyShape("-----BEGIN", re.compile(_PEM), _gone),
    *(_bearer(word) for word in ("Bearer", "bearer", "BEARER")),
    KeyShape("://", re.compile(r"://([^\s/@{}<>\"'`]{1,256})@"), _without_user),
)

_RARE = "_JK9z/:RSBx-b"
"""Characters of which each marker has one, those that are rare in texts first; one is looked for in no time at all."""

_NUMBERED: dict[str, list[tuple[int, KeyShape]]] = {}
for _number, _shape in enumerate(SHAPES):
    _NUMBERED.setdefault(next(each for each in _RARE if each in _shape.marker), []).append((_number, _shape))


def shapes_in(text: str) -> list[KeyShape]:
    """Return the kinds of keys of which there may be one in the text, in their order."""
    there = [shapes for character, shapes in _NUMBERED.items() if character in text]
    found = [each for shapes in there for each in shapes if each[1].marker in text]
    if not found:
        return []
    return [shape for _, shape in sorted(found, key=lambda each: each[0])]


SHAPE_CUT = re.compile(
    r"(?:sk-|[rs]k_(?:live|test)_|gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|AKIA|AIza|hf_|gsk_|npm_|pypi-|eyJ)"
    rf"[\w.-]{{4,200}}?({_CUT})[\w-]{{4,}}",
    re.ASCII,
)
"""A key out of whose middle something was cut."""

# Whole words where a word has an innocent neighbour (AUTHOR, KEYBOARD, TOKENIZERS), parts of words where it has none.
_SECRET_NAME = re.compile(
    r"SECRET|PASSW|PASSPHRASE|CREDENTIAL|COOKIE|AUTHORIZATION|API_?KEY"
    r"|(?:TOKEN|KEY)S?(?![A-Z])|(?<![A-Z])(?:AUTH|PASS|PWD|CREDS?|JWT|BEARER|DSN|SESSION_?ID)(?![A-Z])"
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def looks_secret(name: str) -> bool:
    """Return whether what goes by this name (``OPENAI_API_KEY``, ``apiKey``, ``x-auth``) should stay unseen."""
    return _SECRET_NAME.search(_CAMEL.sub("_", name).upper().replace("-", "_")) is not None
