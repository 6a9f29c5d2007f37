"""A conversation that is kept below a model's window: it is summed up, and all of it stays in ``history``."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .effects import CallModel, Effect, KeepHistory
from .errors import ConfigurationError
from .observation import head_and_tail
from .prompts import COMPACTION_REQUEST, GO_ON, NO_SUMMARY
from .protocols import Message, ModelReply
from .windows import context_window

__all__ = ["Compaction", "Conversation", "compaction_for"]

_BYTES_PER_TOKEN = 4  # of UTF-8, as English and code take; of other scripts it is a little less
_LEAST = 1_000  # characters


@dataclass(frozen=True, slots=True)
class Compaction:
    """A conversation is compacted once it takes this part of ``window``, a number of tokens."""

    threshold_pct: float
    window: int

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        part, window = self.threshold_pct, self.window
        if isinstance(part, bool) or not isinstance(part, int | float) or not 0 < part <= 1:
            msg = f"compaction_threshold_pct is the part of the window, above 0 and up to 1 (0.85), not {part!r}."
            raise ConfigurationError(msg)
        if type(window) is not int or window < 1:
            msg = f"context_window must be a whole number of tokens, not {window!r}."
            raise ConfigurationError(msg)

    @property
    def threshold(self) -> float:
        """The tokens from which on a conversation is compacted."""
        return self.threshold_pct * self.window

    def for_model(self, model: str) -> Compaction:
        """Return the same for another model; where nobody knows its window, it is taken to be this one."""
        return replace(self, window=context_window(model) or self.window)


def compaction_for(model: str, threshold_pct: float = 0.85, window: int | None = None) -> Compaction:
    """Return when a conversation with the model is compacted; ``window`` is given where the model is not known.

    Raises ``ConfigurationError`` when nobody knows the window.
    """
    known = window if window is not None else context_window(model)
    if known is None:
        msg = (
            f"Compaction needs to know how many tokens the model {model!r} can read, and it is not one of those that "
            "are known: say it with context_window=... (in a notebook: %config RLMMagics.context_window = 128_000), or "
            "leave compaction off."
        )
        raise ConfigurationError(msg)
    return Compaction(threshold_pct, known)


class Conversation:
    """The messages of a run: all of them, and those that the model is sent.

    ``messages`` begins with what opens the conversation, which the model is always sent; it only ever grows, also when
    the conversation is compacted. How long the conversation is, the server says with each reply (input and output
    tokens); what came after that reply, and all of it where a server says nothing, is estimated from the characters.
    Raises ``ConfigurationError`` when the opening alone is due for compaction, which would then follow every reply.
    """

    def __init__(self, messages: list[Message], compaction: Compaction | None = None) -> None:
        opening = sum(_estimated(message["content"]) for message in messages) if compaction is not None else 0
        if compaction is not None and opening >= compaction.threshold:
            msg = (
                f"What opens the conversation (system prompt, earlier questions and answers, the question) takes about "
                f"{opening:,} tokens, and compaction is due at {compaction.threshold:,.0f}. Begin a new session, ask "
                "more briefly, use a model with a larger window (context_window), or leave compaction off."
            )
            raise ConfigurationError(msg)
        self.messages = messages
        self._compaction = compaction
        self._opening = self._since = len(messages)
        self._tokens = 0
        self.was_cut = False
        """Whether the last reply was broken off because it had become as long as it may be."""

    def ask(self) -> Generator[Effect, Any, str]:
        """Return the model's reply, which is part of the conversation then."""
        sent = self._sent()
        reply: ModelReply = yield CallModel(sent)
        self.was_cut = reply.is_cut
        usage = reply.usage
        if usage.input_tokens:  # some servers send zeros
            self._tokens = usage.input_tokens + (usage.output_tokens or 0)
        elif self._compaction is not None:
            self._tokens = sum(_estimated(message["content"]) for message in sent) + _estimated(reply.text)
        self.messages.append({"role": "assistant", "content": reply.text})
        return reply.text

    def tell(self, text: str, request: str = "") -> Generator[Effect, Any, None]:
        """Tell the model something, and ``request`` something of it that must not drown in a summary.

        A conversation that would become too long by it is compacted.
        """
        # One message and not two: some servers' chat templates refuse two of the same role in a row.
        compaction = self._compaction
        if compaction is None or self._tokens + _estimated(text) + _estimated(request) < compaction.threshold:
            self.messages.append(_user(text, request))
            return
        # By the end of the conversation there is little room left, and a summary needs some of it.
        room = _BYTES_PER_TOKEN * (compaction.window - self._tokens) // 2
        asking = [*self._sent(), _user(head_and_tail(text, max(room, _LEAST)), COMPACTION_REQUEST)]
        self.messages.append(_user(text, COMPACTION_REQUEST))
        yield KeepHistory(self.messages)
        reply: ModelReply = yield CallModel(asking, "compaction")
        self._since = len(self.messages)
        self.messages.append({"role": "assistant", "content": reply.text.strip() or NO_SUMMARY})
        self.messages.append(_user(GO_ON, request))

    def _sent(self) -> Sequence[Message]:
        if self._since == self._opening:
            return self.messages
        return [*self.messages[: self._opening], *self.messages[self._since :]]


def _user(*parts: str) -> Message:
    return {"role": "user", "content": "\n\n".join(filter(None, parts))}


def _estimated(text: str) -> int:
    """Return about how many tokens a text takes."""
    return len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN
