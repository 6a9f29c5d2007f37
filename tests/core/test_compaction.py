"""How a conversation stays below a model's window: by the server's own counts, and with nothing lost."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from rlm_jupyter.core.compaction import Compaction, Conversation, compaction_for
from rlm_jupyter.core.drive import drive
from rlm_jupyter.core.effects import BeginIteration, CallModel, Effect, KeepHistory, RunCode
from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.loop import completion_loop
from rlm_jupyter.core.prompts import COMPACTION_REQUEST, GO_ON, system_prompt
from rlm_jupyter.core.protocols import Message, ModelReply
from rlm_jupyter.core.results import REPLResult
from rlm_jupyter.core.usage import Usage
from rlm_jupyter.core.windows import context_window

OPENING: list[Message] = [
    {"role": "system", "content": "You work in code."},
    {"role": "user", "content": "An earlier question"},
    {"role": "assistant", "content": "An earlier answer"},
    {"role": "user", "content": "What is the answer?"},
]


@dataclass
class Model:
    """A model whose code prints so many characters, and whose server counts one token a character, or says nothing."""

    iterations: int
    printed: int = 100
    counts: bool = True
    summary: str = "summary"
    calls: list[CallModel] = field(default_factory=list)
    sent: list[list[Message]] = field(default_factory=list)
    histories: list[list[Message]] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)

    def perform(self, effect: Effect) -> Any:
        self.effects.append(effect)
        if isinstance(effect, KeepHistory):
            self.histories.append(copy.deepcopy(list(effect.messages)))
        if isinstance(effect, RunCode):
            text = "x" * self.printed
            return REPLResult(text, "", {}, outputs=[{"output_type": "stream", "name": "stdout", "text": text}])
        if isinstance(effect, CallModel):
            self.calls.append(effect)
            self.sent.append(copy.deepcopy(list(effect.messages)))
            return self._reply(effect)
        return None

    def _reply(self, effect: CallModel) -> ModelReply:
        if effect.purpose == "compaction":
            text = f"{self.summary} {len(self.histories)}" if self.summary else ""
        else:
            done = sum(call.purpose == "answer" for call in self.calls)
            text = f"Look {done}.\n```repl\nlook({done})\n```" if done <= self.iterations else "FINAL(42)"
        usage = Usage(size(effect.messages), len(text)) if self.counts else Usage()
        return ModelReply(text, "scripted", usage)

    @property
    def answering(self) -> list[list[Message]]:
        return [sent for sent, call in zip(self.sent, self.calls, strict=True) if call.purpose == "answer"]

    @property
    def compacting(self) -> list[list[Message]]:
        return [sent for sent, call in zip(self.sent, self.calls, strict=True) if call.purpose == "compaction"]


def size(messages: Sequence[Message]) -> int:
    return sum(len(message["content"]) for message in messages)


def run(model: Model, compaction: Compaction | None, max_iterations: int = 30) -> list[Message]:
    messages = list(OPENING)
    assert drive(completion_loop(messages, max_iterations, compaction=compaction), model.perform) == "42"
    return messages


def roles(messages: Sequence[Message]) -> list[str]:
    return [message["role"] for message in messages]


def test_a_conversation_that_reaches_the_threshold_is_summed_up_and_goes_on() -> None:
    model = Model(iterations=6)
    run(model, Compaction(0.5, 1_000))
    assert len(model.compacting) == 1
    asked = model.compacting[0]
    assert asked[:-1] == [*model.answering[3], {"role": "assistant", "content": "Look 4.\n```repl\nlook(4)\n```"}]
    assert asked[-1]["content"].startswith("Output:\nxxx")
    assert asked[-1]["content"].endswith(COMPACTION_REQUEST)
    assert model.answering[4] == [
        *OPENING,
        {"role": "assistant", "content": "summary 1"},
        {"role": "user", "content": GO_ON},
    ]


def test_the_requests_stay_below_the_window_however_long_the_run_is() -> None:
    model = Model(iterations=29)
    run(model, Compaction(0.5, 3_000))
    assert len(model.compacting) > 1
    assert max(size(sent) for sent in model.sent) < 3_000
    assert size(run(Model(iterations=29), None)) > 3_000


def test_the_history_is_the_whole_conversation_at_every_compaction() -> None:
    model = Model(iterations=29)
    messages = run(model, Compaction(0.5, 3_000))
    for history in model.histories:
        assert history == messages[: len(history)]
        assert history[: len(OPENING)] == OPENING
    looks = [
        message["content"].split(".")[0] for message in model.histories[-1] if message["content"].startswith("Look")
    ]
    assert looks == [f"Look {number}" for number in range(1, len(looks) + 1)]
    assert messages[-1] == {"role": "assistant", "content": "FINAL(42)"}
    assert sum(message["content"].startswith("Look") for message in messages) == 29


def test_the_history_is_kept_before_the_summary_is_asked_for() -> None:
    model = Model(iterations=6)
    run(model, Compaction(0.5, 1_000))
    kept = next(index for index, effect in enumerate(model.effects) if isinstance(effect, KeepHistory))
    following = model.effects[kept + 1]
    assert isinstance(following, CallModel)
    assert following.purpose == "compaction"


def test_user_and_assistant_take_turns_in_every_request_and_in_the_history() -> None:
    model = Model(iterations=29)
    messages = run(model, Compaction(0.5, 3_000))
    for conversation in (*model.sent, *model.histories, messages):
        expected = ["system", *(["user", "assistant"] * len(conversation))[: len(conversation) - 1]]
        assert roles(conversation) == expected


def test_between_compactions_every_request_begins_with_all_of_the_one_before() -> None:
    model = Model(iterations=29)
    run(model, Compaction(0.5, 3_000))
    for before, after in zip(model.calls, model.calls[1:], strict=False):
        if before.purpose == after.purpose == "answer":
            assert list(after.messages)[: len(before.messages)] == list(before.messages)


def test_a_compaction_is_no_iteration() -> None:
    model = Model(iterations=6)
    run(model, Compaction(0.5, 1_000), max_iterations=7)
    begun = [effect for effect in model.effects if isinstance(effect, BeginIteration)]
    assert begun == [BeginIteration(number) for number in range(1, 8)]


def test_the_request_for_the_answer_is_made_after_the_summary_too() -> None:
    model = Model(iterations=4)
    run(model, Compaction(0.5, 1_000), max_iterations=4)
    assert model.answering[-1][-1]["content"].startswith(GO_ON)
    assert "all 4 iterations" in model.answering[-1][-1]["content"]


def test_a_server_that_counts_nothing_is_counted_for() -> None:
    model = Model(iterations=29, printed=400, counts=False)
    run(model, Compaction(0.5, 3_000))
    assert len(model.compacting) > 1
    assert max(size(sent) for sent in model.sent) / 4 < 3_000


def test_an_output_that_leaves_no_room_for_a_summary_is_cut_for_it_alone() -> None:
    model = Model(iterations=1, printed=15_000)
    messages = run(model, Compaction(0.85, 4_000))
    assert "characters left out" in model.compacting[0][-1]["content"]
    assert "x" * 15_000 in model.histories[0][-1]["content"]
    assert "x" * 15_000 in messages[len(OPENING) + 1]["content"]


def test_an_empty_summary_does_not_send_an_empty_message() -> None:
    model = Model(iterations=6, summary="")
    run(model, Compaction(0.5, 1_000))
    assert all(message["content"] for sent in model.sent for message in sent)


def test_without_compaction_nothing_is_summed_up() -> None:
    model = Model(iterations=29)
    run(model, None)
    assert not model.compacting
    assert not model.histories


def test_the_model_is_told_of_history_only_where_there_is_one() -> None:
    assert "`history`" in system_prompt("guide", compaction=True)
    assert "history" not in system_prompt("guide")


WINDOWS = {
    "gpt-5-mini": 272_000,
    "openai/gpt-5.4-2026-03-05": 922_000,
    "GPT-4o-mini": 128_000,
    "gpt-4.1-nano": 1_000_000,
    "gpt-4-0613": 8_192,
    "claude-opus-4-1-20250805": 200_000,
    "us.anthropic.claude-opus-4-6-v1:0": 1_000_000,
    "models/gemini-2.5-pro": 1_000_000,
    "o3-mini": 200_000,
    "kimi-k2.5": 262_144,
    "o10": None,
    "gpt-45": None,
    "llama3.1:8b": None,
    "": None,
}


@pytest.mark.parametrize(("model", "window"), WINDOWS.items())
def test_windows_of_common_models(model: str, window: int | None) -> None:
    assert context_window(model) == window


def test_a_model_that_nobody_knows_needs_its_window_said() -> None:
    with pytest.raises(ConfigurationError, match=r"'my-own'.*context_window="):
        compaction_for("my-own")
    assert compaction_for("my-own", 0.7, 32_000) == Compaction(0.7, 32_000)
    assert compaction_for("gpt-5-mini", window=10_000).window == 10_000


def test_another_model_has_its_own_window() -> None:
    asked = compaction_for("gpt-5-mini", 0.7)
    assert asked.for_model("gpt-4o") == Compaction(0.7, 128_000)
    assert asked.for_model("my-own") == asked


@pytest.mark.parametrize(
    ("part", "window"), [(0, 1_000), (1.5, 1_000), ("0.8", 1_000), (True, 1_000), (0.8, 0), (0.8, 1.5)]
)
def test_thresholds_and_windows_that_cannot_be(part: Any, window: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"compaction_threshold_pct|context_window"):
        Compaction(part, window)


def test_an_opening_that_is_too_long_by_itself_is_refused() -> None:
    """Compaction would follow every reply, and double the bill for nothing."""
    opening: list[Message] = [{"role": "system", "content": "words " * 1_000}, {"role": "user", "content": "?"}]
    with pytest.raises(ConfigurationError, match=r"takes about 1,5\d\d tokens, and compaction is due at 850"):
        Conversation(opening, Compaction(0.85, 1_000))
