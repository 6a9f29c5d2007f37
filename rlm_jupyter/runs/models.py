"""Which language model answers which call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from rlm_jupyter.clients.cache import Cache
from rlm_jupyter.clients.caching import CachingClient
from rlm_jupyter.clients.choice import make_client
from rlm_jupyter.clients.recorded import RecordedClient
from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.protocols import Client

__all__ = ["Backend", "Model", "Models"]

Backend: TypeAlias = tuple[str, Mapping[str, Any]]
"""A backend's name and the arguments that its client is made with."""


@dataclass(frozen=True, slots=True)
class Model:
    """A client, and the model that it is to be asked for where that is not its own."""

    client: Client
    override: str | None = None

    @property
    def name(self) -> str:
        """The name of the model that is asked."""
        return self.override or self.client.model_name


class Models:
    """The root's client, and others for the calls below it; the first of these is asked where no model is named.

    All of them answer from ``cache`` what it holds, if there is one. Pickled, it is the backends and the cache's path
    only, and makes its clients anew in the other process. Raises ``ConfigurationError`` for a backend that is not known
    or does not take its arguments.
    """

    def __init__(self, root: Backend, others: Sequence[Backend] = (), cache: Cache | None = None) -> None:
        self._backends = (root, *others)
        self._cache = cache
        self._clients: tuple[Client, ...] = (
            _client(root, cache),
            *(_client_below(backend, cache) for backend in others),
        )
        self._own = len(self._clients)

    def __reduce__(self) -> tuple[type[Models], tuple[Backend, tuple[Backend, ...], Cache | None]]:
        """Return how to make the same again."""
        return Models, (self._backends[0], self._backends[1:], self._cache)

    def with_root(self, root: Backend, cache: Cache | None = None, others: Sequence[Backend] | None = None) -> Models:
        """Return these models with another root, and ``cache`` for all.

        Without ``others``, the clients below the root are the same, and this one's to close.
        """
        if others is not None:
            return Models(root, others, cache)
        derived = Models(root, cache=cache)
        derived._backends = (root, *self._backends[1:])
        kept = zip(self._backends[1:], self._clients[1:], strict=True)
        derived._clients = (derived._clients[0], *(_cached(client, backend[1], cache) for backend, client in kept))
        return derived

    @property
    def cache(self) -> Cache | None:
        """Where replies are kept."""
        return self._cache

    @property
    def root(self) -> Model:
        """The root's model."""
        return Model(self._clients[0])

    @property
    def clients(self) -> tuple[Client, ...]:
        """All the clients, the root's first."""
        return self._clients

    @property
    def own(self) -> tuple[Client, ...]:
        """The clients that these models have made, and have to close."""
        return self._clients[: self._own]

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no trace may hold."""
        return tuple(secret for client in self._clients for secret in client.secrets)

    def below(self, name: str | None) -> Model:
        """Return the model for a call by model code, or for a child run.

        A name that is a client's own is that client's; one that begins with a client's backend, ``ollama:qwen3:8b``, is
        a model behind it; any other is a model behind the client that is asked by default.
        """
        root, *others = self._clients
        clients = (*others, root)
        named = next((client for client in clients if client.model_name == name), None)
        if named is not None or name is None:
            return Model(named if named is not None else clients[0])
        backends = [each for each, _ in (*self._backends[1:], self._backends[0])]
        prefix, colon, rest = name.partition(":")
        behind = [client for client, backend in zip(clients, backends, strict=True) if colon and backend == prefix]
        if not behind:
            return Model(clients[0], name)
        named = next((client for client in behind if client.model_name == rest), None)
        return Model(named) if named is not None else Model(behind[0], rest or None)


def _client(backend: Backend, cache: Cache | None) -> Client:
    name, arguments = backend
    return _cached(make_client(name, arguments), arguments, cache)


def _client_below(backend: Backend, cache: Cache | None) -> Client:
    try:
        return _client(backend, cache)
    except ConfigurationError as error:
        msg = f"The model for calls below the root (--sub-model, other_backends) cannot be asked: {error}"
        raise ConfigurationError(msg) from error


def _cached(client: Client, arguments: Mapping[str, Any], cache: Cache | None) -> Client:
    """Return the client with this cache around it, and no other; what is recorded is free already."""
    bare = client
    if isinstance(client, CachingClient):
        if client.cache is cache:
            return client
        bare = client.client
    if cache is None or isinstance(bare, RecordedClient):
        return bare
    sampling = arguments.get("sampling_args")
    return CachingClient(bare, cache, sampling if isinstance(sampling, Mapping) else None)
