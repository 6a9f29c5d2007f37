"""What ``RLM`` cannot be told is refused at construction, in words that name the argument and say what it takes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rlm_jupyter import RLM, RLMLogger
from rlm_jupyter.core.errors import ConfigurationError

MAPPINGS = (
    "backend_kwargs",
    "environment_kwargs",
    "child_environment_kwargs",
    "custom_tools",
    "custom_sub_tools",
    "sampling_args",
    "sub_sampling_args",
)
CALLBACKS = {
    "on_iteration_start": "(depth, iteration)",
    "on_iteration_complete": "(depth, iteration, seconds)",
    "on_subcall_start": "(depth, model, prompt_preview)",
    "on_subcall_complete": "(depth, model, seconds, error_or_none)",
}
OTHERS = "other_backends is a list of names, and other_backend_kwargs a list of as many dicts"


def refusal(**arguments: Any) -> str:
    """Why an ``RLM`` cannot be made with these arguments."""
    with pytest.raises(ConfigurationError) as caught:
        RLM(**{"backend": "offline", **arguments})
    return str(caught.value)


@pytest.mark.parametrize("name", MAPPINGS)
@pytest.mark.parametrize("value", [3, "ab", ["a"], [("a", 1)]], ids=repr)
def test_what_goes_by_name_is_a_dict(name: str, value: object) -> None:
    said = refusal(**{name: value})
    assert said.startswith(f"{name} must be a dict from ")
    assert said.endswith(f"this is of type {type(value).__name__}.")


@pytest.mark.parametrize("name", MAPPINGS)
def test_its_keys_are_strings(name: str) -> None:
    assert refusal(**{name: {"a": 1, 2: 3}}).endswith("one of its keys is of type int.")


@pytest.mark.parametrize("name", ["custom_system_prompt", "user_prologue", "environment", "child_environment"])
def test_texts_are_strings(name: str) -> None:
    assert refusal(**{name: ["Hello."]}).startswith(f"{name} must be a ")


@pytest.mark.parametrize(("name", "signature"), CALLBACKS.items())
def test_callbacks_can_be_called_and_are_told_with_what(name: str, signature: str) -> None:
    assert refusal(**{name: "print"}) == f"{name} must be a function {signature}; this is of type str."
    assert f"``{name}{signature}``" in " ".join((RLM.__doc__ or "").split())


@pytest.mark.parametrize(
    ("name", "value", "given"),
    [
        ("logger", "rlm.jsonl", "of type str"),
        ("logger", RLMLogger, "the class RLMLogger"),
        ("executor", 4, "of type int"),
        ("executor", ThreadPoolExecutor, "the class ThreadPoolExecutor"),
    ],
)
def test_loggers_and_executors_have_the_method_that_is_called(name: str, value: object, given: str) -> None:
    said = refusal(**{name: value})
    assert said.startswith(f"{name} must be an object with a method ")
    assert said.endswith(f"; this is {given}.")


@pytest.mark.parametrize("compaction", [True, False])
@pytest.mark.parametrize(
    ("name", "value"), [("compaction_threshold_pct", 85), ("compaction_threshold_pct", "0.8"), ("context_window", -1)]
)
def test_compaction_that_cannot_be_is_refused_although_it_is_off(name: str, value: object, compaction: bool) -> None:
    assert refusal(compaction=compaction, **{name: value}).startswith(name)


def test_an_unknown_window_is_said_in_a_notebook_too() -> None:
    said = refusal(backend="openai", backend_kwargs={"model_name": "my-own", "api_key": "k"}, compaction=True)
    assert "context_window=" in said
    assert "%config RLMMagics.context_window" in said


@pytest.mark.parametrize(
    "arguments",
    [
        {"other_backends": "offline"},
        {"other_backends": 3},
        {"other_backend_kwargs": [{}]},
        {"other_backends": ["openai"], "other_backend_kwargs": [{}, {"model_name": 3}]},
        {"other_backends": ["offline"], "other_backend_kwargs": 3},
        {"other_backends": ["offline"], "other_backend_kwargs": {"model_name": "m"}},
        {"other_backends": ["offline"], "other_backend_kwargs": ["model_name"]},
        {"other_backends": ["offline"], "other_backend_kwargs": [None]},
    ],
    ids=repr,
)
def test_other_backends_are_lists(arguments: dict[str, Any]) -> None:
    assert refusal(**arguments).startswith(OTHERS)


def test_lists_of_other_lengths_are_told_by_their_lengths() -> None:
    assert "There are 1 of these and 0 backends" in refusal(other_backends=[], other_backend_kwargs=[{}])


def test_a_refusal_does_not_repeat_what_may_be_a_key() -> None:
    assert "sk-" not in refusal(backend_kwargs="sk-0123456789")


def test_what_can_be_told_is_taken() -> None:
    with ThreadPoolExecutor(1) as executor:
        rlm = RLM(
            "offline",
            {},
            environment_kwargs={},
            custom_tools={"double": lambda x: 2 * x},
            custom_sub_tools={},
            other_backends=("offline", "offline"),
            other_backend_kwargs=({},),
            logger=RLMLogger(),
            executor=executor,
            on_iteration_start=print,
            custom_system_prompt="Work.",
            user_prologue="Hello.",
            compaction_threshold_pct=0.5,
            context_window=1_000,
        )
        rlm.close()
