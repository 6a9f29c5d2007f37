"""Pictures that a run showed or was shown, as ``data:`` URIs: nothing is fetched, and what could run does not.

PNG, JPEG, GIF and WebP, as code displayed them or as they came with a prompt. SVG stands in an ``<img>`` only, where
browsers run no script and load nothing for it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from rlm_jupyter.core.pictures import MEDIA_TYPES
from rlm_jupyter.trace.trace import Span, Trace

from .replies import pictures_of
from .room import Room
from .svg import SVG, is_tame_svg

__all__ = ["Figure", "Figures", "figure_forms", "figures_in", "figures_of"]

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_HEAD = 64  # characters of base64 that hold what tells a picture's type
_MAGIC = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
    "image/webp": b"RIFF",
}
_KIND = "image/"


@dataclass(frozen=True, slots=True)
class Figure:
    """One picture: its media type, its bytes in base64, and what to say of it where it is not shown."""

    media_type: str
    base64: str
    alt: str

    @property
    def uri(self) -> str:
        """The picture as a ``data:`` URI."""
        return f"data:{self.media_type};base64,{self.base64}"


class Figures:
    """The pictures of one rendering: none larger than ``each`` characters of base64, and no more than ``total`` in all.

    Where they are ``named``, the first ``<img>`` of each has the id ``picture-N``, N being its number.
    """

    def __init__(self, each: int, total: float, *, svg: bool = True, named: bool = False) -> None:
        self._each = each
        self._room = Room(total)
        self._svg = svg
        self._named = named
        self.numbers: dict[Figure, int] = {}
        """The pictures that were taken up, in order, and the number of each, from 1."""

    def fits(self, figure: Figure) -> bool:
        """Take the picture up, and return whether there was room for it and it is one that may be shown."""
        if len(figure.base64) > self._each or (figure.media_type == SVG and not self._svg):
            return False
        if not self._room.take(len(figure.base64)):
            return False
        self.numbers.setdefault(figure, len(self.numbers) + 1)
        return True

    def markdown(self, figures: Iterable[Figure]) -> Iterator[str]:
        """Yield the pictures as Markdown images, or a line that stands for one."""
        for figure in figures:
            shown = f"![{figure.alt}]({figure.uri})"
            yield shown if self.fits(figure) else f"*{figure.alt}: {_left_out(figure)}*"

    def html(self, figures: Iterable[Figure]) -> Iterator[str]:
        """Yield the pictures as ``<img>`` elements, or a line that stands for one."""
        for figure in figures:
            known = figure in self.numbers
            if not self.fits(figure):
                yield f'<p style="opacity:.7">{escape(figure.alt)}: {_left_out(figure)}</p>'
                continue
            style = "max-width:100%;height:auto;background:#fff"
            name = f' id="picture-{self.numbers[figure]}"' if self._named and not known else ""
            yield f'<img{name} alt="{escape(figure.alt)}" style="{style}" loading="lazy" src="{figure.uri}">'


def figures_in(output: dict[str, Any]) -> list[Figure]:
    """Return the picture that an output shows, in nbformat's shape; of several forms of it one, PNG first."""
    data = output.get("data")
    if not isinstance(data, dict):
        return []
    for media_type in (*MEDIA_TYPES, SVG):
        value = data.get(media_type)
        text = "".join(map(str, value)) if isinstance(value, list) else value
        if isinstance(text, str) and (figure := _figure(media_type, text, "figure")) is not None:
            return [figure]
    return []


def figure_forms(output: dict[str, Any]) -> list[str]:
    """Return the forms of an output which the picture that it shows stands for."""
    figures = figures_in(output)
    return [form for form in output["data"] if form in MEDIA_TYPES or form == SVG] if figures else []


def figures_of(trace: Trace, call: Span) -> list[Figure]:
    """Return the pictures that came to a model with a call, as far as the trace holds them."""
    made = (_figure(blob.media_type or "", blob.text, "picture in the prompt") for blob in pictures_of(trace, [call]))
    return [figure for figure in made if figure is not None]


def _figure(media_type: str, text: str, alt: str) -> Figure | None:
    """Return the picture, if it is what it says that it is."""
    if media_type == SVG:
        if not is_tame_svg(text):
            return None
        return Figure(SVG, base64.b64encode(text.encode("utf-8", "replace")).decode("ascii"), alt)
    joined = "".join(text.split())
    if media_type not in MEDIA_TYPES or not _BASE64.fullmatch(joined):
        return None
    try:
        head = base64.b64decode(joined[:_HEAD] + "=" * (-len(joined[:_HEAD]) % 4))
    except binascii.Error:
        return None
    return Figure(media_type, joined, alt) if head.startswith(_MAGIC[media_type]) else None


def _left_out(figure: Figure) -> str:
    return f"{figure.media_type.removeprefix(_KIND)}, {len(figure.base64) * 3 // 4:,} bytes, not shown here"
