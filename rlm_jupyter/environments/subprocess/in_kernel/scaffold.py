"""The names that model code finds, as they are in the other environments (see ``environments/scaffold.py``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

__all__ = ["Answer", "Overlay", "ScaffoldError", "scaffold_names"]

_MISSING = object()


class ScaffoldError(Exception):
    """Model code used a scaffold name in a way that it does not allow."""

    __module__ = "builtins"  # a traceback then says its name and no more


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


class Overlay:
    """Names laid over the namespace, which code cannot take away for longer than a cell."""

    def __init__(self, namespace: MutableMapping[str, Any]) -> None:
        self._namespace = namespace
        self.names: dict[str, Any] = {}

    def lay(self, names: Mapping[str, Any]) -> None:
        """Lay these names, too, or lay them anew."""
        self.names.update(names)
        self._namespace.update(names)

    def drop(self, name: str) -> None:
        """Take a name away."""
        if self.names.pop(name, _MISSING) is not _MISSING:
            self._namespace.pop(name, None)

    def mend(self) -> list[str]:
        """Put back the names that code bound anew or deleted, and return them."""
        broken = [name for name, value in self.names.items() if self._namespace.get(name, _MISSING) is not value]
        for name in broken:
            self._namespace[name] = self.names[name]
        return broken


def scaffold_names(answer: Answer, show_vars: Callable[[], dict[str, str]]) -> dict[str, Any]:
    """Return the scaffold, the queries and what the host hands in apart."""

    def no_input(prompt: object = "") -> str:  # noqa: ARG001 - called as the builtin is
        """Refuse: there is nobody at the keyboard."""
        msg = "input() is not available: nobody is there to answer. Work with the variables that you have."
        raise ScaffoldError(msg)

    def no_exit(code: object = None) -> None:  # noqa: ARG001 - called as the builtin is
        """Refuse: the process is the user's."""
        msg = 'exit() ends nothing here. To answer, set answer["content"] and answer["ready"] = True.'
        raise ScaffoldError(msg)

    return {
        "SHOW_VARS": show_vars,
        "FINAL": answer.final,
        "FINAL_VAR": answer.final_var,
        "answer": answer.entry,
        "input": no_input,
        "exit": no_exit,
        "quit": no_exit,
    }
