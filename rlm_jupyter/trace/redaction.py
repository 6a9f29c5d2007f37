"""Takes secrets out of text: those that were given, those of the environment, and whatever has the shape of a key.

It looks for each secret with ``in`` and for shapes only where their marker stands. One large regular expression was
tried: 610 ms for a megabyte of text and 250 literals, against 58 ms.
"""

from __future__ import annotations

import base64
import functools
import html
import json
import os
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .key_shapes import SHAPE_CUT, looks_secret, shapes_in

__all__ = ["LONG", "Redactor", "secrets_in"]

LONG = 1_000_000
"""Characters of a text that a trace names by the digest of it as it is: to look through all of it costs more than to
send it, and nothing can be told of a secret from the digest of so long a text."""

_SHORTEST = 6  # characters; shorter values stand in too many innocent places
_SHORTEST_ENCODED = 8
_SHORT = 64
"""Characters of texts whose outcome is remembered, such as a model's name, which every call has."""

_SHORT_KEPT = 1_000

_FRAGMENT = 6  # characters of a secret that still count as one next to where a text was cut

_PLAIN_WORDS = frozenset(
    "basic bearer changeme custom default disable disabled dummy empty enable enabled false gnome-keyring keyring "
    "lm-studio local no-key no-key-required none not-needed not-used null oauth oauth2 offline ollama optional "
    "password placeholder prompt required secret system true ubuntu unused wayland".split()
)
_CUT_BEFORE = re.compile(r"(?:\.\.\.|…|characters left out \.\.\.\]\n)\Z")
_CUT_AFTER = re.compile(r"\.\.\.|…|\n\[\.\.\. ")
_CREDENTIALS = re.compile(r"://([^\s/@]{1,256})@")


class Redactor:
    """Replaces secrets by ``[redacted]``, and those of the environment by their variable's name beside it.

    The environment is read once, now. A secret is also found as ``repr``, JSON, HTML, a URL or base64 write it.
    """

    def __init__(self, secrets: Iterable[str] = (), environ: Mapping[str, str] = os.environ) -> None:
        self._forms: dict[str, str] = dict(_environment_forms(tuple(environ.items())))
        self._needles: list[tuple[str, str]] = []
        self._short: dict[str, str] = {}
        self._sort()
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Redact this from now on. Plain words such as ``ollama``, and what is very short, are no secrets."""
        if not _is_secret(secret, shortest=4):
            return
        for form in _forms(secret):
            self._forms.setdefault(form, "[redacted]")
        self._sort()

    def redact(self, text: str) -> str:
        """Return the text without secrets; the same object when it holds none. The cost is linear in the text."""
        if len(text) > _SHORT:
            return self._redacted(text)
        short = self._short  # another one as soon as there is another secret
        known = short.get(text)
        if known is None:
            if len(short) >= _SHORT_KEPT:
                short.clear()
            known = short[text] = self._redacted(text)
        return text if known == text else known

    def named(self, text: str) -> str:
        """Return the text whose digest is the name of this one in a trace: without secrets, unless it is ``LONG``."""
        return text if len(text) > LONG else self.redact(text)

    def _redacted(self, text: str) -> str:
        for needle, label in self._needles:
            if needle in text:
                text = text.replace(needle, label)
        for shape in shapes_in(text):
            found, count = shape.pattern.subn(shape.replace, text)
            text = found if count and found != text else text
        if "..." in text or "…" in text:
            text = self._without_fragments(text)
        return text

    def settled(self, text: str) -> str:
        """Return of a text that is being written what no later text can turn into a known secret."""
        end = len(text)
        while (cut := min((_unfinished(text, end, needle) for needle, _ in self._needles), default=end)) < end:
            end = cut  # which may be within another secret
        return text[:end]

    def __repr__(self) -> str:
        """Say how many secrets are looked for, and none of them."""
        return f"<Redactor of {len(self._needles)} texts>"

    def _sort(self) -> None:
        # Longest first: what holds another secret goes as a whole.
        self._needles = sorted(self._forms.items(), key=lambda form: -len(form[0]))
        self._short = {}

    def _without_fragments(self, text: str) -> str:
        """Take out what is left of a secret where the text was cut before it came here, as previews and outputs are."""
        for needle, label in self._needles:
            if len(needle) <= _FRAGMENT:
                continue
            text = _without_head(text, needle, label)
            text = _without_tail(text, needle, label)
        found, count = SHAPE_CUT.subn(lambda match: f"[redacted]{match[1]}", text)
        return found if count else text


def secrets_in(mapping: Mapping[str, Any]) -> list[str]:
    """Return the strings that stand under secret-looking names (``api_key``, ``Authorization``, ...), at any depth.

    Credentials in URLs (``scheme://user:password@host``) count wherever they stand.
    """
    return list(dict.fromkeys(_leaves(mapping, secret=False)))


def _leaves(value: Any, *, secret: bool) -> Iterator[str]:
    if isinstance(value, str):
        yield from _url_passwords(value)
        if secret:
            yield value
            # "Bearer abc": the token alone is as secret as the header.
            yield from value.split()[1:]
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _leaves(each, secret=secret or looks_secret(str(name)))
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _leaves(each, secret=secret)


def _url_passwords(text: str) -> Iterator[str]:
    for match in _CREDENTIALS.finditer(text):
        password = match[1].partition(":")[2]
        if password:
            yield password
            yield urllib.parse.unquote(password)


@functools.lru_cache(maxsize=4)
def _environment_forms(variables: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Return what to look for and what to put in its place. Cached: the environment rarely changes between runs."""
    forms: dict[str, str] = {}
    for name, value in variables:
        secrets = [value] if looks_secret(name) and _is_secret(value) and not _is_path(value) else []
        secrets += [password for password in _url_passwords(value) if _is_secret(password)]
        for secret in secrets:
            for form in _forms(secret):
                forms.setdefault(form, f"[redacted {name}]")
    return forms


def _is_secret(value: str, shortest: int = _SHORTEST) -> bool:
    """Return whether a value may be a secret: neither short, nor a small number, nor a word of configuration."""
    value = value.strip()
    is_number = value.isdigit() and len(value) < 8
    return len(value) >= shortest and not is_number and value.lower() not in _PLAIN_WORDS


def _is_path(value: str) -> bool:
    """Return whether the value names a place on this machine (SSH_AUTH_SOCK, PWD), or did until just now."""
    if not value.startswith(("/", "~", ".")) and not re.match(r"[A-Za-z]:[\\/]", value):
        return False
    path = Path(value)
    try:
        return path.exists() or (len(path.parts) > 2 and path.parent.exists())
    except (OSError, ValueError):
        return False


def _forms(secret: str) -> set[str]:
    """Return the secret as it may stand in a text."""
    secret = secret.strip()
    raw = secret.encode("utf-8", "surrogatepass")
    once = _escaped(secret) | {repr(raw)[2:-1]}
    # What was escaped once is escaped again when an output is shown within another.
    written = [secret, *once, *(again for each in once for again in _escaped(each))]
    written += [html.escape(secret), html.escape(secret, quote=False)]
    quoted = [urllib.parse.quote(raw, safe=""), urllib.parse.quote(raw), urllib.parse.quote_plus(raw)]
    written += [*quoted, *(re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), each) for each in quoted)]
    return {*written, *_base64_forms(raw)}


def _escaped(text: str) -> set[str]:
    """Return the text as string literals hold it; which quote a repr escapes depends on what else is in the string."""
    return {
        repr(text)[1:-1],
        repr(f'"{text}')[2:-1],
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
    }


def _base64_forms(raw: bytes) -> Iterator[str]:
    """Yield the part of the secret's base64 that is the same whatever stands before and after it, three ways."""
    for shift in range(3):
        padded = bytes(shift) + raw
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            certain = encode(padded)[-(-8 * shift // 6) : 8 * len(padded) // 6].decode("ascii")
            if len(certain) >= _SHORTEST_ENCODED:
                yield certain


def _unfinished(text: str, end: int, needle: str) -> int:
    """Return where the beginning of the needle stands with which the text ends: at ``end`` when with none."""
    at = text.find(needle[0], max(0, end - len(needle) + 1), end)
    while at >= 0 and not needle.startswith(text[at:end]):
        at = text.find(needle[0], at + 1, end)
    return at if at >= 0 else end


def _without_head(text: str, needle: str, label: str) -> str:
    at = text.find(needle[:_FRAGMENT])
    while at >= 0:
        end = at + _common(text[at : at + len(needle)], needle)
        if _CUT_AFTER.match(text, end):
            text = text[:at] + label + text[end:]
            end = at + len(label)
        at = text.find(needle[:_FRAGMENT], end)
    return text


def _without_tail(text: str, needle: str, label: str) -> str:
    at = text.rfind(needle[-_FRAGMENT:])
    while at >= 0:
        end = at + _FRAGMENT
        start = end - _common(text[max(0, end - len(needle)) : end][::-1], needle[::-1])
        if _CUT_BEFORE.search(text, max(0, start - 30), start):
            text = text[:start] + label + text[end:]
        at = text.rfind(needle[-_FRAGMENT:], 0, max(0, start))
    return text


def _common(one: str, other: str) -> int:
    """Return how many characters the two have in common from the beginning."""
    return next(
        (index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
