"""The packages that are measured, each as it is used: made, asked, and what it says of its usage.

This runs in each package's own interpreter, where there is nothing of ours and nothing of the tests.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Any, Protocol

__all__ = ["DISTRIBUTIONS", "IMPORTS", "Asked", "Package", "package"]

DISTRIBUTIONS = {"ours": "rlm-jupyter", "rlms": "rlms", "dspy": "dspy"}
IMPORTS = {"ours": "rlm_jupyter", "rlms": "rlm", "dspy": "dspy"}

_PATIENCE = 300.0  # seconds


class Asked(Protocol):
    """Something that answers."""

    def __call__(self, context: str, question: str) -> str:
        """Return the answer to a question about the context."""

    def usage(self) -> dict[str, int]:
        """Return ``calls``, ``input`` and ``output`` (tokens) of the last answer, as far as the package counts them."""


class Package(Protocol):
    """A package, by what is the same in all of them."""

    name: str

    def new(self, base_url: str, options: dict[str, Any]) -> Asked:
        """Return a root model that asks the server.

        ``options`` are ``iterations`` (the limit), ``width`` (calls in flight, where one can say), ``depth`` (levels of
        runs), ``environment`` and ``environment_kwargs``, ``log`` (a folder), ``read_timeout`` (seconds).
        """


class _Reference:
    """rlms, and what has its names: a program is ported by its import line."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._module = import_module(IMPORTS[name])

    def new(self, base_url: str, options: dict[str, Any]) -> Asked:
        backend = {"model_name": "scripted", "base_url": base_url, "api_key": "for-the-scripted-model"}
        if "read_timeout" in options:
            backend["timeout"] = options["read_timeout"]
        arguments: dict[str, Any] = {"max_iterations": options.get("iterations", 30)}
        arguments["max_depth"] = options.get("depth", 1)
        arguments["environment"] = options.get("environment", "local")
        arguments["environment_kwargs"] = options.get("environment_kwargs") or {}
        if "width" in options:
            arguments["max_concurrent_subcalls"] = options["width"]
        if "log" in options:
            loggers = self._module if self.name == "ours" else import_module("rlm.logger")
            arguments["logger"] = loggers.RLMLogger(log_dir=options["log"])
        return _AskedReference(self._module.RLM(backend="openai", backend_kwargs=backend, **arguments))


class _AskedReference:
    def __init__(self, rlm: Any) -> None:
        self._rlm = rlm
        self._result: Any = None

    def __call__(self, context: str, question: str) -> str:
        self._result = self._rlm.completion(context, question)
        return str(self._result.response)

    def usage(self) -> dict[str, int]:
        models = self._result.usage_summary.model_usage_summaries.values()
        return {
            "calls": sum(each.total_calls for each in models),
            "input": sum(each.total_input_tokens for each in models),
            "output": sum(each.total_output_tokens for each in models),
        }


class _DSPy:
    """DSPy, with its worker process in place of its sandbox, which is another kind of thing than a REPL of Python's."""

    name = "dspy"

    def __init__(self) -> None:
        self._dspy = import_module("dspy")

    def new(self, base_url: str, options: dict[str, Any]) -> Asked:
        dspy = self._dspy
        patience = options.get("read_timeout", _PATIENCE)
        lm = dspy.LM("openai/scripted", api_base=base_url, api_key="none", cache=False, timeout=patience)
        dspy.configure(lm=lm, track_usage=True)
        worker = import_module("dspy.primitives").LocalInterpreter
        rlm = dspy.RLM(
            "context, question -> answer",
            max_iters=options.get("iterations", 30),
            max_llm_calls=1_000_000,
            interpreter_factory=worker,
        )
        return _AskedDSPy(rlm)


class _AskedDSPy:
    def __init__(self, rlm: Any) -> None:
        self._rlm = rlm
        self._result: Any = None

    def __call__(self, context: str, question: str) -> str:
        self._result = self._rlm(context=context, question=question)
        return str(self._result.answer)

    def usage(self) -> dict[str, int]:
        models = self._result.get_lm_usage().values()  # it does not count calls
        return {
            "input": sum(each["prompt_tokens"] for each in models),
            "output": sum(each["completion_tokens"] for each in models),
        }


def package(name: str) -> Package:
    """Return the package; raises ``ImportError`` where it is not installed, ``KeyError`` for a name that is none."""
    return _DSPy() if name == "dspy" else _Reference(name)


def installed(name: str) -> str:
    """Return the version that is installed."""
    return version(DISTRIBUTIONS[name])
