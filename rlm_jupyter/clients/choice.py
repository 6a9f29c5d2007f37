"""Which language model is asked: by argument, by configuration, by the environment, or the offline one."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.plugins import load_plugin, plugin_names
from rlm_jupyter.core.protocols import Client

__all__ = ["GROUP", "SERVERS", "Choice", "backend_names", "choose", "choose_below", "make_client"]

GROUP = "rlm_jupyter.clients"
"""The entry-point group in which clients are registered."""

_DEFAULT_MODEL = "gpt-5-mini"
_NOTICE = (
    "No model is configured and OPENAI_API_KEY is not set: the offline extractor answers. It finds passages by their "
    "words and is no language model; choose one with --model or RLM_JUPYTER_MODEL."
)

# Servers that speak OpenAI's protocol, by the names that the field gives them. None: there is no usual address.
SERVERS: dict[str, str | None] = {
    "lmstudio": "http://localhost:1234/v1",
    "ollama": "http://localhost:11434/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "vllm": None,
}
_NO_SERVERS = ("offline", "recorded")
_PROTOCOL = {"azure", "openai", *SERVERS}


@dataclass(frozen=True, slots=True)
class Choice:
    """A backend and its arguments; ``notice`` is a line to show the user, where there is something to say."""

    backend: str
    backend_kwargs: Mapping[str, Any] = field(default_factory=dict)
    notice: str | None = None


def backend_names() -> list[str]:
    """Return the names of the backends that can be used here."""
    return sorted({*plugin_names(GROUP), *SERVERS})


def choose(
    model: str | None = None,
    backend: str | None = None,
    base_url: str | None = None,
    config_model: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Choice:
    """Return the first that is named: the argument, the configured model, ``RLM_JUPYTER_MODEL``, OpenAI's, or none.

    A model is named plainly, by its backend (``offline``), or by both (``ollama:qwen3:8b``). Raises
    ``ConfigurationError`` for a backend that is not known, or is not the one that the model's name begins with.
    """
    environ = os.environ if environ is None else environ
    named_backend, named_model = _split(model)
    if backend and named_backend and named_backend != backend:
        msg = (
            f"The model {model!r} belongs to the backend {named_backend!r}, not to {backend!r}: leave one of them out."
        )
        raise ConfigurationError(msg)
    backend = backend or named_backend
    if not named_model:
        for configured in filter(None, (config_model, environ.get("RLM_JUPYTER_MODEL"))):
            other_backend, other_model = _split(configured)
            if _applies(other_backend, backend, base_url):
                backend, named_model = backend or other_backend or "openai", other_model
                break
    address = {"base_url": base_url} if base_url else {}
    if backend is None and not named_model and not base_url and not environ.get("OPENAI_API_KEY"):
        return Choice("offline", notice=_NOTICE)
    backend = backend or "openai"
    if backend not in backend_names():
        raise _unknown(backend)
    if backend == "openai" and not named_model:
        named_model = _DEFAULT_MODEL
    return Choice(backend, {**({"model_name": named_model} if named_model else {}), **address})


def choose_below(model: str, root: Choice, environ: Mapping[str, str] | None = None) -> Choice:
    """Return who answers the calls below the root, of whom ``model`` is the name: plain, a backend, or both.

    A plain name is a model of the root's own server; one that begins with a backend is another server's, at its usual
    address. Raises ``ConfigurationError`` as ``choose`` does.
    """
    backend, name = _split(model)
    if name and backend in (None, root.backend) and root.backend not in _NO_SERVERS:
        return Choice(root.backend, {**root.backend_kwargs, "model_name": name})
    return choose(model, environ=environ)


def make_client(backend: str | None = None, backend_kwargs: Mapping[str, Any] | None = None) -> Client:
    """Return the client of a backend, made with these arguments; what they leave open is chosen as ``choose`` does.

    Raises ``ConfigurationError`` when the backend is not known or does not take the arguments.
    """
    given = dict(backend_kwargs or {})
    backend = backend or ("openai" if given.get("api_key") else None)
    choice = choose(given.get("model_name"), backend, given.get("base_url"))
    arguments = {**given, **choice.backend_kwargs}
    name = choice.backend
    if name in SERVERS and name not in plugin_names(GROUP):
        arguments.setdefault("base_url", SERVERS[name])
        for missing, option in (("base_url", "--base-url"), ("model_name", "--model")):
            if not arguments.get(missing):
                msg = (
                    f"The backend {name!r} needs {missing}: give it in backend_kwargs, or with {option} in a notebook."
                )
                raise ConfigurationError(msg)
        name = "openai"
    if name not in plugin_names(GROUP):
        raise _unknown(name)
    make: Callable[..., Client] = load_plugin(GROUP, name)
    _check_arguments(name, make, arguments)
    return make(**arguments)


def _split(model: str | None) -> tuple[str | None, str | None]:
    """Return backend and model; a name may hold a colon without naming a backend (``qwen3:8b``)."""
    if not model:
        return None, None
    backend, _, name = model.partition(":")
    return (backend, name or None) if backend in backend_names() else (None, model)


def _applies(configured: str | None, backend: str | None, base_url: str | None) -> bool:
    """Return whether a model that is configured for one backend, or for none, is meant for this one and address."""
    if backend is None:
        return not base_url or configured is None or configured in _PROTOCOL
    return configured == backend or (configured is None and backend in _PROTOCOL)


def _check_arguments(name: str, make: Callable[..., Client], arguments: Mapping[str, Any]) -> None:
    signature = inspect.signature(make)
    try:
        signature.bind(**arguments)
    except TypeError as error:
        taken = [each.name for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
        msg = f"The backend {name!r} cannot be made with these arguments: {error}. It takes: {', '.join(taken)}."
        raise ConfigurationError(msg) from error


def _unknown(backend: str) -> ConfigurationError:
    msg = f"There is no backend {backend!r}. There are: {', '.join(backend_names())}."
    return ConfigurationError(msg)
