"""Names bytes and texts by what they hold."""

from __future__ import annotations

import hashlib

__all__ = ["bytes_digest", "text_digest"]


def bytes_digest(*parts: bytes | memoryview) -> str:
    """Return ``sha256:`` and 32 hexadecimal digits over the parts as one."""
    hashed = hashlib.sha256()
    for part in parts:
        hashed.update(part)
    return f"sha256:{hashed.hexdigest()[:32]}"


def text_digest(text: str) -> str:
    """Return the digest of the text in UTF-8; a lone surrogate counts as it is.

    What is asked of a model and what a trace holds are named so: the one can be found in the other.
    """
    return bytes_digest(text.encode("utf-8", "surrogatepass"))
