"""Which server a question goes to, and with which arguments its client is made."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rlm_jupyter.clients.choice import Choice, choose

from .options import own_arguments

if TYPE_CHECKING:
    from .rlm_magics import RLMMagics

__all__ = ["chosen_server", "without_deployment"]

_SAID_BY_A_SETTING = {
    "model_name": "RLMMagics.model says it",
    "base_url": "RLMMagics.base_url says it",
    "sampling_args": "RLMMagics.sampling_args says it",
}
"""What is no matter of ``RLMMagics.backend_kwargs``, and how it is said."""


def chosen_server(magics: RLMMagics, given: Mapping[str, Any]) -> Choice:
    """Return the backend that the options, else the defaults, choose, and what its client is made with.

    ``RLMMagics.backend_kwargs`` may hold a key: it goes to the server of the defaults only, and where the options name
    another one, the choice's notice says that it was left out. Raises ``ConfigurationError`` as ``choose`` does, and
    ``UsageError`` for what belongs into another setting.
    """
    kwargs = own_arguments("backend_kwargs", magics.backend_kwargs, _SAID_BY_A_SETTING)
    model, backend, base_url = (given.get(name) for name in ("model", "backend", "base_url"))
    choice = _chosen(magics, kwargs, model, backend, base_url)
    if not kwargs or choice.notice is not None:  # the extractor, which answers where nothing is chosen, takes none
        return choice
    default = _chosen(magics, kwargs) if model or backend or base_url else choice
    if _server(choice) == _server(default):
        return replace(choice, backend_kwargs={**kwargs, **choice.backend_kwargs})
    left_out = (
        f"RLMMagics.backend_kwargs is left out: it is for {_told(default)}, and {_told(choice)} is asked. To have it "
        "sent there, set RLMMagics.model, backend or base_url instead of the options."
    )
    return replace(choice, notice=left_out)


def without_deployment(choice: Choice) -> Choice:
    """Return the choice for another model of its server: what named the one model does not name the other."""
    kept = {name: value for name, value in choice.backend_kwargs.items() if name != "azure_deployment"}
    return replace(choice, backend_kwargs=kept)


def _chosen(
    magics: RLMMagics,
    kwargs: Mapping[str, Any],
    model: str | None = None,
    backend: str | None = None,
    base_url: str | None = None,
) -> Choice:
    named = backend or magics.backend, base_url or magics.base_url, magics.model
    choice = choose(model, *named, os.environ)
    if choice.notice is not None and kwargs.get("api_key"):  # a key is there after all, and it can be OpenAI's only
        return choose(model, "openai", *named[1:], os.environ)
    return choice


def _server(choice: Choice) -> tuple[str, Any]:
    return choice.backend, choice.backend_kwargs.get("base_url")


def _told(choice: Choice) -> str:
    backend, base_url = _server(choice)
    host = urlsplit(base_url).netloc.rpartition("@")[2] if base_url else ""  # without a password
    return f"{backend} at {host}" if host else backend
