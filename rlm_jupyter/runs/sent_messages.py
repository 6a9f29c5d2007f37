"""What a run's model is sent, as a trace holds it: each message once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from rlm_jupyter.core.pictures import Picture
from rlm_jupyter.core.protocols import Message
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.schema import MessageRecord

__all__ = ["MESSAGE_LIMIT", "SentMessages"]

MESSAGE_LIMIT = 100_000
"""Characters of a root model's message that a trace holds in full."""


class SentMessages:
    """Records the messages of one run's calls, whose conversations begin alike."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._sent: Sequence[Message] = ()

    def record(self, messages: Sequence[Message]) -> tuple[int, list[MessageRecord]]:
        """Return how many messages are those of the call before, from the first on, and records of the others."""
        kept = self.kept(messages)
        self._sent = messages
        return kept, [self._record(message) for message in messages[kept:]]

    def kept(self, messages: Sequence[Message]) -> int:
        """Return how many messages are those of the call before, from the first on."""
        return sum(1 for _ in takewhile(lambda pair: pair[0] is pair[1], zip(self._sent, messages, strict=False)))

    def _record(self, message: Message) -> MessageRecord:
        digest = self._recorder.blob(message["content"], MESSAGE_LIMIT)
        pictures = [part for part in message.get("parts", ()) if isinstance(part, Picture)]
        images = [self._recorder.picture(picture) for picture in pictures]
        return MessageRecord(role=message["role"], digest=digest, images=images)
