"""Which SVG pictures may be shown, in an ``<img>``: those that take a browser about as long as they are long."""

from __future__ import annotations

import re
from xml.parsers import expat

__all__ = ["SVG", "is_tame_svg"]

SVG = "image/svg+xml"

_LIMIT = 2_000_000  # characters
_DEEPEST = 200
_REFERENCE = re.compile(r"url\(\s*['\"]?#([^)'\"]{1,200})", re.IGNORECASE)
_LOADING = re.compile(r"url\(|image|src\(|[@\\]", re.IGNORECASE)  # in CSS, where \ spells names anew
_NEVER = frozenset({"script", "foreignObject", "animate", "set", "animateTransform", "animateMotion"})


def is_tame_svg(text: str) -> bool:
    """Return whether the text is an SVG picture that runs nothing, loads nothing, and cannot be blown up.

    What is referred to may not refer to anything itself: ten such steps of ten references each are 10,000,000,000
    shapes to draw. No figure of a plotting library needs them.
    """
    if len(text) > _LIMIT or "<!ENTITY" in text:
        return False
    reader = _Reader()
    try:
        reader.read(text)
    except (expat.ExpatError, _NotTameError):
        return False
    return reader.is_svg and not (reader.targets & reader.referring)


class _NotTameError(Exception):
    """The picture holds what none should."""


class _Reader:
    """Reads the elements of a picture: what they refer to, and within which named elements they do so."""

    def __init__(self) -> None:
        self.is_svg = False
        self.targets: set[str] = set()
        self.referring: set[str] = set()
        self._names: list[str | None] = []
        self._within_styles = 0
        self._styles: list[str] = []  # a text comes in parts, wherever there is an entity in it

    def read(self, text: str) -> None:
        parser = expat.ParserCreate(encoding="utf-8")
        parser.ProcessingInstructionHandler = self._instruction
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.Parse(text.encode("utf-8", "replace"), True)
        if _LOADING.search("".join(self._styles)):
            raise _NotTameError

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        if not self._names:
            self.is_svg = local == "svg"
        if local in _NEVER or len(self._names) > _DEEPEST:
            raise _NotTameError
        self._names.append(attributes.get("id"))
        self._within_styles += local == "style"
        for attribute, value in attributes.items():
            targets = _REFERENCE.findall(value)
            loads = value.lower().count("url(") > len(targets) or ("\\" in value and "(" in value)
            if loads or attribute.startswith("on"):
                raise _NotTameError
            if attribute.rpartition(":")[2] == "href":
                targets += self._within(value)
            for target in targets:
                self._refer(target)

    @staticmethod
    def _within(link: str) -> list[str]:
        """Return what a link refers to in the picture itself; a picture within it may be data, and nothing else."""
        if link.startswith("data:image/") and not link.startswith("data:image/svg"):
            return []
        if not link.startswith("#"):
            raise _NotTameError
        return [link[1:]]

    def _end(self, name: str) -> None:
        self._names.pop()
        self._within_styles -= name.rpartition(":")[2] == "style"

    def _text(self, text: str) -> None:
        if self._within_styles:
            self._styles.append(text)

    def _instruction(self, target: str, data: str) -> None:
        if target == "xml-stylesheet":
            raise _NotTameError

    def _refer(self, target: str) -> None:
        self.targets.add(target)
        self.referring.update(name for name in self._names if name is not None)
