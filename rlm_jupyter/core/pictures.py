"""Pictures that a prompt may hold beside text: what notebooks have of them, as bytes that vision models take.

It looks at what an object is by the names of its type's modules, and imports none of them. It is sent to kernels as it
stands, also to those of Python 3.9.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["MEDIA_TYPES", "PICTURE_LIMIT", "Picture", "looks_like", "no_prompt", "picture_of"]

MEDIA_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""What vision models take, and browsers show and cannot run (no SVG), in the order in which one is chosen."""

PICTURE_LIMIT = 20_000_000
"""Bytes of one picture."""

_PIXEL_LIMIT = 100_000_000
"""Pixels of a picture that is yet to be encoded; more take seconds and gigabytes, and no model looks at as many."""

_SEGMENTS = 1_000  # of a JPEG, before the one that tells its size
_PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})


@dataclass(frozen=True)  # without slots, which Python 3.9 does not know
class Picture:
    """A picture, encoded. ``media_type`` is ``image/png``, ``image/jpeg``, ``image/gif`` or ``image/webp``."""

    media_type: str
    data: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        """``sha256:`` and 32 hexadecimal digits over the bytes."""
        return f"sha256:{hashlib.sha256(self.data).hexdigest()[:32]}"

    @property
    def base64(self) -> str:
        """The bytes in base64, as APIs and notebooks hold them."""
        return base64.b64encode(self.data).decode("ascii")

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height in pixels, as the header tells them; None when it does not."""
        return _size(self.media_type, self.data)

    def __str__(self) -> str:
        """Return what it is: ``image/png, 640x480, 12 kB``."""
        size = self.size
        pixels = f", {size[0]}x{size[1]}" if size is not None else ""
        return f"{self.media_type}{pixels}, {max(1, round(len(self.data) / 1000)):,} kB"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {self.media_type: self.data, "text/plain": repr(self)}


def looks_like(value: Any) -> str | None:
    """Return what picture the value plainly is (``image, PNG, 640x480``), or None; in constant time, and never raises.

    Nothing is encoded, and nothing foreign is called: objects that are no pictures themselves but could be shown as one
    are not told.
    """
    if type(value) in (Picture, bytes, bytearray):
        media_type = value.media_type if type(value) is Picture else _media_type(bytes(value[:16]))
        data = value.data if type(value) is Picture else value
        return _told(media_type, _size(media_type, data)) if media_type is not None else None
    if _is_of(value, "PIL.Image"):
        try:
            return f"image, {value.format or value.mode}, {value.width}x{value.height}"
        except Exception:  # noqa: BLE001 - of a class that derives from Pillow's, anything may raise
            return "image"
    if _is_of(value, "matplotlib.figure"):
        return "image, figure"
    return None


def picture_of(value: Any) -> Picture | None:
    """Return the picture that the value is, or that it is shown as in a notebook; None when it is none.

    That is a ``Picture``, bytes that begin as a PNG, JPEG, GIF or WebP, a PIL image, a matplotlib figure, an object
    with such a rich form (``_repr_png_``, ``_repr_mimebundle_``, ...), or a notebook's output as a dict. Raises
    ``ValueError`` when it takes more than 20 MB, and for a PIL image that is empty, too large or cannot be read.
    """
    found = _found(value)
    if found is not None and len(found.data) > PICTURE_LIMIT:
        msg = (
            f"This picture takes {len(found.data) / 1e6:,.0f} MB as {found.media_type}, and a prompt takes pictures "
            f"of up to {PICTURE_LIMIT / 1e6:,.0f} MB: make it smaller first, with image.thumbnail((2000, 2000)) or a "
            "lower dpi."
        )
        raise ValueError(msg)
    return found


def _found(value: Any) -> Picture | None:
    if type(value) is Picture:
        return value
    if type(value) in (bytes, bytearray, memoryview):
        return _encoded(value)
    if isinstance(value, (str, int, float, list, tuple, set, frozenset, type, type(None))):
        return None
    if _is_of(value, "PIL.Image"):
        return _of_pillow(value)
    if callable(getattr(type(value), "savefig", None)):
        buffer = io.BytesIO()
        value.savefig(buffer, format="png", bbox_inches="tight")
        return Picture("image/png", buffer.getvalue())
    if isinstance(value, Mapping):
        data = value.get("data") if "output_type" in value else value
        return _of_bundle(data) if isinstance(data, Mapping) else None
    return _of_forms(value)


def no_prompt(value: Any) -> str:
    """Return what to say of an object that stands where a prompt, or a part of one, is expected."""
    kind = type(value).__name__
    if _is_of(value, "IPython.core.display") and getattr(value, "url", None) and getattr(value, "data", 1) is None:
        return f"{kind}(url=...) holds no data: fetch it, as {kind}(url=..., embed=True) does, and give that."
    if callable(getattr(type(getattr(value, "figure", None)), "savefig", None)):
        return f"This {kind} is a part of a figure, and no picture itself: give its .figure."
    return (
        f"A prompt is a string, a picture, or a list of strings and pictures, and this one is of type {kind}: "
        "put it into an f-string."
    )


def _of_pillow(image: Any) -> Picture:
    size = image.width, image.height
    pixels = f"{size[0]}x{size[1]} pixels"
    if 0 in size:
        msg = f"This image has {pixels}: there is nothing to be seen on it."
        raise ValueError(msg)
    if size[0] * size[1] > _PIXEL_LIMIT:
        msg = f"This image has {pixels}, which is too large: make it smaller first, with image.thumbnail((2000, 2000))."
        raise ValueError(msg)
    try:
        return _encoded_by_pillow(image)
    except Exception as error:  # a file that is cut off, or closed, is found out only now
        msg = f"This image cannot be encoded: {error}. Open its file again, or make another one of its pixels."
        raise ValueError(msg) from error


def _encoded_by_pillow(image: Any) -> Picture:
    buffer = io.BytesIO()
    if image.format == "JPEG" and image.mode in ("L", "RGB"):  # as it came from its file; as a PNG a photo is large
        image.save(buffer, format="JPEG", quality=95)
        return Picture("image/jpeg", buffer.getvalue())
    (image if image.mode in _PNG_MODES else image.convert("RGB")).save(buffer, format="PNG")
    return Picture("image/png", buffer.getvalue())


def _of_forms(value: Any) -> Picture | None:
    """Return what a notebook would show of the object; forms that raise are none, as they are for a notebook."""
    kind = type(value)
    for media_type, name in (("image/png", "_repr_png_"), ("image/jpeg", "_repr_jpeg_")):
        if callable(getattr(kind, name, None)):
            shown = _first(_asked(value, name))
            found = _of_bundle({media_type: shown}) if shown is not None else None
            if found is not None:
                return found
    if callable(getattr(kind, "_repr_mimebundle_", None)):
        bundle = _first(_asked(value, "_repr_mimebundle_", include=MEDIA_TYPES, exclude=()))
        return _of_bundle(bundle) if isinstance(bundle, Mapping) else None
    return None


def _asked(value: Any, form: str, **arguments: Any) -> Any:
    try:
        return getattr(value, form)(**arguments)
    except Exception:  # noqa: BLE001 - the object's own code; then it has no such form
        return None


def _first(shown: Any) -> Any:
    """Return the data of what may be a pair of data and metadata."""
    return shown[0] if isinstance(shown, tuple) and shown else shown


def _of_bundle(bundle: Mapping[Any, Any]) -> Picture | None:
    for media_type in MEDIA_TYPES:
        shown = bundle.get(media_type)
        if isinstance(shown, str):
            try:
                shown = base64.b64decode(shown)
            except (binascii.Error, ValueError):
                continue
        found = _encoded(shown) if isinstance(shown, (bytes, bytearray, memoryview)) else None
        if found is not None:
            return found
    return None


def _encoded(data: bytes | bytearray | memoryview) -> Picture | None:
    head = bytes(data[:16])
    media_type = _media_type(head)
    return Picture(media_type, bytes(data)) if media_type is not None else None


def _media_type(head: bytes) -> str | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return None


def _size(media_type: str, data: bytes | bytearray) -> tuple[int, int] | None:
    head = bytes(data[:32])
    if media_type == "image/png" and head[12:16] == b"IHDR" and len(head) >= 24:
        return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    if media_type == "image/gif" and len(head) >= 10:
        return int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
    if media_type == "image/jpeg":
        return _jpeg_size(data)
    if media_type == "image/webp" and len(head) >= 30:
        return _webp_size(head)
    return None


def _jpeg_size(data: bytes | bytearray) -> tuple[int, int] | None:
    at = 2
    for _ in range(_SEGMENTS):
        head = bytes(data[at : at + 9])
        if len(head) < 9 or head[0] != 0xFF:
            return None
        if head[1] == 0xFF:  # filling
            at += 1
        elif 0xC0 <= head[1] <= 0xCF and head[1] not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(head[7:9], "big"), int.from_bytes(head[5:7], "big")
        else:
            at += 2 + int.from_bytes(head[2:4], "big")
    return None


def _webp_size(head: bytes) -> tuple[int, int] | None:
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if head[12:16] == b"VP8 ":
        return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
    return None


def _told(media_type: str, size: tuple[int, int] | None) -> str:
    pixels = f", {size[0]}x{size[1]}" if size is not None else ""
    return f"image, {media_type.partition('/')[2].upper()}{pixels}"


def _is_of(value: Any, module: str) -> bool:
    """Return whether the value's class, or one that it derives from, is of this module."""
    return any(each.__module__ == module for each in type(value).__mro__)
