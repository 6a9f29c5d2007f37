"""Which language model answers which call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from rlm_jupyter.clients.choice import make_client
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

    Pickled, it is the backends only, and makes its clients anew in the other process. Raises ``ConfigurationError``
    for a backend that is not known or does not take its arguments.
    """

    def __init__(self, root: Backend, others: Sequence[Backend] = ()) -> None:
        self._backends = (root, *others)
        self._clients: tuple[Client, ...] = tuple(make_client(name, arguments) for name, arguments in self._backends)

    def __reduce__(self) -> tuple[type[Models], tuple[Backend, tuple[Backend, ...]]]:
        """Return how to make the same again."""
        return Models, (self._backends[0], self._backends[1:])

    def with_root(self, root: Backend) -> Models:
        """Return these models with another root; the other clients are the same, and this one's to close."""
        derived = Models(root)
        derived._backends = (root, *self._backends[1:])
        derived._clients = (derived._clients[0], *self._clients[1:])
        return derived

    @property
    def root(self) -> Model:
        """The root's model."""
        return Model(self._clients[0])

    @property
    def clients(self) -> tuple[Client, ...]:
        """All the clients, the root's first."""
        return self._clients

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no trace may hold."""
        return tuple(secret for client in self._clients for secret in client.secrets)

    def below(self, name: str | None) -> Model:
        """Return the model for a call by model code, or for a child run.

        A name that is a client's own is that client's; any other is a model behind the client that is asked by default.
        """
        root, *others = self._clients
        named = next((client for client in (*others, root) if client.model_name == name), None)
        if named is not None:
            return Model(named)
        return Model(others[0] if others else root, name)
