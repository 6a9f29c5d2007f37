"""The names that the model finds in its namespace, laid over what was there and put back afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from rlm_jupyter.core.describe import describe
from rlm_jupyter.core.errors import ScaffoldError
from rlm_jupyter.core.protocols import Queries

__all__ = ["QUERY_NAMES", "RESERVED_NAMES", "Answer", "Overlay", "scaffold_names"]

RESERVED_NAMES = frozenset(
    {
        "FINAL",
        "FINAL_VAR",
        "SHOW_VARS",
        "answer",
        "completion_context",
        "context",
        "context_history",
        "exit",
        "history",
        "input",
        "llm_query",
        "llm_query_async",
        "llm_query_batched",
        "quit",
        "rlm_query",
        "rlm_query_async",
        "rlm_query_batched",
        "session_history",
    }
)
"""Names that custom tools cannot take; the numbered ones (``context_0``, ...) are reserved as well."""

QUERY_NAMES = (
    "llm_query",
    "llm_query_batched",
    "llm_query_async",
    "rlm_query",
    "rlm_query_batched",
    "rlm_query_async",
)
"""The scaffold's names by which model code asks models; a method of ``Queries`` each."""

_MISSING = object()


class Answer:
    """The ``answer`` dict and the two calls that fill it."""

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self._namespace = namespace
        self.entry: dict[str, Any] = {"content": "", "ready": False}

    def final(self, value: Any) -> None:
        """Answer with a value: ``FINAL`` in model code."""
        if value is not self.entry:  # FINAL(answer) says that it is ready as it stands
            self.entry["content"] = value
        self.entry["ready"] = True

    def final_var(self, name: Any) -> str:
        """Answer with the variable of that name, or with the value itself: ``FINAL_VAR`` in model code.

        Returns the answer as text.
        """
        value = name
        if isinstance(name, str) and name.isidentifier():
            if name in self._namespace:
                value = self._namespace[name]
            elif not any(each is name for each in self._namespace.values()):  # FINAL_VAR(x) hands in what x holds
                msg = f"FINAL_VAR: not found: there is no variable {name!r}. SHOW_VARS() lists those that there are."
                raise ScaffoldError(msg)
        if isinstance(name, str) and name == "answer":
            self.take_over(value)
            value = self.entry
        self.final(value)
        return self.so_far() or ""

    def take_over(self, bound: Any) -> bool:
        """Take what model code bound to ``answer``: such a dict, or else the content. False when it is nothing."""
        if bound is None:
            return False
        if isinstance(bound, dict) and {"content", "ready"} & bound.keys():
            self.entry.update({key: bound[key] for key in ("content", "ready") if key in bound})
        else:
            self.entry["content"] = bound
        return True

    def so_far(self) -> str | None:
        """Return the content as text, or None while it is empty; of a pydantic model, its JSON."""
        content = self.entry.get("content")
        if content is None or (isinstance(content, str) and not content):
            return None
        try:
            dump = getattr(type(content), "model_dump_json", str)
            return str(dump(content))
        except Exception as error:  # noqa: BLE001 - the model may answer with any object
            return f"<{type(content).__qualname__}; its text form raised {type(error).__name__}>"

    def reopen(self) -> None:
        """Take back that the answer is ready."""
        self.entry["ready"] = False

    def settle(self) -> None:
        """Keep the content as text only, once the run is over: the object is the user's, who may want it gone."""
        self.entry = {"content": self.so_far() or "", "ready": False}

    def ready(self) -> str | None:
        """Return the content once it is declared ready."""
        return self.so_far() if self.entry.get("ready") else None


class Overlay:
    """Names laid over a namespace. What they hid comes back, what they left is taken away."""

    def __init__(self, namespace: MutableMapping[str, Any]) -> None:
        self._namespace = namespace
        self._hidden: dict[str, Any] = {}
        self.names: dict[str, Any] = {}

    def lay(self, names: Mapping[str, Any]) -> None:
        """Lay these names over the namespace, and lift those that were laid and are not among them."""
        for name in self.names.keys() - names.keys():
            self._lift(name)
        for name, value in names.items():
            if name not in self.names:
                self._hidden[name] = self._namespace.get(name, _MISSING)
            self.names[name] = value
            self._namespace[name] = value

    def mend(self) -> list[str]:
        """Put back the names that code bound anew or deleted, and return them."""
        broken = [name for name, value in self.names.items() if self._namespace.get(name, _MISSING) is not value]
        for name in broken:
            self._namespace[name] = self.names[name]
        return broken

    def lift(self) -> None:
        """Give the namespace back as it was. May be called twice."""
        for name in tuple(self.names):
            self._lift(name)

    def _lift(self, name: str) -> None:
        hidden = self._hidden.pop(name)
        del self.names[name]
        if hidden is _MISSING:
            self._namespace.pop(name, None)
        else:
            self._namespace[name] = hidden


def scaffold_names(queries: Queries, answer: Answer, variables: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """Return the scaffold, contexts and histories apart; ``variables`` are those that ``SHOW_VARS()`` lists."""

    def show_vars() -> dict[str, str]:
        """Return the names that there are, with types and sizes; ``answer`` by its content, once it has one."""
        content = {"answer": answer.entry["content"]} if answer.so_far() is not None else {}
        return {name: str(describe(value, 0)) for name, value in {**variables(), **content}.items()}

    def no_input(prompt: object = "") -> str:  # noqa: ARG001 - called as the builtin is
        """Refuse: there is nobody at the keyboard."""
        msg = "input() is not available: nobody is there to answer. Work with the variables that you have."
        raise ScaffoldError(msg)

    def no_exit(code: object = None) -> None:  # noqa: ARG001 - called as the builtin is
        """Refuse: the process is the user's."""
        msg = 'exit() ends nothing here. To answer, set answer["content"] and answer["ready"] = True.'
        raise ScaffoldError(msg)

    return {
        **{name: getattr(queries, name) for name in QUERY_NAMES},
        "SHOW_VARS": show_vars,
        "FINAL": answer.final,
        "FINAL_VAR": answer.final_var,
        "answer": answer.entry,
        "input": no_input,
        "exit": no_exit,
        "quit": no_exit,
    }
