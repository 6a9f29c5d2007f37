"""Stands here for the other modules: what is sent into the kernel under this name is ``rlm_jupyter.core.pictures``."""

from __future__ import annotations

from rlm_jupyter.core.pictures import Picture, no_prompt, picture_of

__all__ = ["Picture", "no_prompt", "picture_of"]
