"""A completion as servers send it, whole or as a stream of events, read into one reply."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rlm_jupyter.core.errors import ClientError
from rlm_jupyter.core.protocols import CUT_OFF, ModelReply
from rlm_jupyter.core.usage import Usage

from . import told
from .endpoint import Endpoint
from .failures import is_retryable, quote
from .retries import GarbledReplyError

__all__ = ["Completion"]

_FILTERED = ("content_filter",)

_DONE = b"[DONE]"
_LONGEST = 2**26  # bytes without an end of an event: no reply takes as many


class Completion:
    """A reply as it comes in. Takes server-sent events, or plain JSON, whichever the server sends."""

    def __init__(self, endpoint: Endpoint, *, streamed: bool = False) -> None:
        self.done = False
        self._endpoint = endpoint
        self._streamed = streamed
        self._events = _Events()
        self._pieces: list[str] = []
        self._choice: object = None
        self._chosen = False
        self._finish_reason: str | None = None
        self._model: str | None = None
        self._response_id: str | None = None
        self._reasoning: list[str] = []
        self._tools: list[str] = []
        self._others: set[str] = set()
        self._unread = 0
        self._usage: Usage | None = None

    @property
    def complete(self) -> bool:
        """Whether the server said that this was all."""
        return self.done or self._finish_reason is not None

    @property
    def events(self) -> int:
        """How many events have come; comments, with which servers keep a connection open, are none."""
        return self._events.count

    @property
    def commented(self) -> bool:
        """Whether what came last was a comment."""
        return self._events.commented

    @property
    def spent(self) -> Usage | None:
        """What the reply took so far, as far as the server said; None when none has begun."""
        return (self._usage or Usage()) if self._chosen or self._usage is not None else None

    @property
    def size(self) -> int:
        """How many characters of text have come."""
        return sum(map(len, self._pieces))

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Take in the next bytes and yield the text in them. Raises ``ClientError`` when they are no completion."""
        for event in self._events.feed(chunk):
            yield from self._take(event)
        if self._events.pending > _LONGEST:
            msg = f"{self._endpoint.host} sent {_LONGEST >> 20} MB and no end of its reply: check what answers there."
            raise ClientError(msg)

    def end(self) -> Iterator[str]:
        """Take note that all bytes have come, and yield the text that was not sent as events."""
        rest = self._events.rest()
        if self._events.seen:
            # Without the blank line that ends it, the last event may be half of one.
            if _is_json(rest) or rest == _DONE:
                yield from self._take(rest)
        elif rest.strip():
            yield from self._take(rest)
            self.done = True

    def reply(self, model: str, retries: int) -> ModelReply:
        """Return the reply; ``model`` stands for the name that the server did not give.

        Raises ``ClientError`` when the server sent no choice, or a tool call instead of text.
        """
        text = _whole("".join(self._pieces))
        if not self._chosen:
            raise told.without_choice(self._endpoint.host, retries, self.spent)
        if self._tools and not text:
            msg = (
                f"The model called the tool {', '.join(self._tools)} instead of answering in text, but tools are not "
                "offered through the API here: take `tools` out of sampling_args, or use another model."
            )
            raise ClientError(msg, retries=retries, spent=self.spent)
        return ModelReply(
            text=text,
            model=self._model or model,
            usage=self._usage or Usage(),
            finish_reason=self._finish_reason,
            response_id=self._response_id,
            retries=retries,
            reasoning=_whole("".join(self._reasoning)) or None,
            notes=tuple(self._notes(text)),
        )

    def _notes(self, text: str) -> Iterator[str]:
        """Yield what was odd about the reply, a sentence each."""
        if self._streamed and not self._events.seen:
            yield "The server sent the reply whole, although a stream was asked for."
        if self._usage is None:
            yield told.UNCOUNTED
        if self._unread:
            yield f"{self._unread} of the stream's events could not be read and were left out."
        if self._others:
            yield f"The server sent {len(self._others) + 1} choices; the first was taken."
        if self._tools:
            yield f"The model called the tool {', '.join(self._tools)} beside its text; the call was left out."
        if not text:
            thought = self._usage.reasoning_tokens if self._usage else None
            spent = f" after {thought} reasoning tokens" if thought else ""
            yield f"The reply is empty{spent}; the finish reason is {self._finish_reason or 'not given'}."
        if self._finish_reason in CUT_OFF:
            yield "The reply was cut off where its tokens ended: raise max_tokens or max_completion_tokens."
        if self._finish_reason in _FILTERED:
            yield "The provider's content filter held the reply, or part of it, back."

    def _take(self, event: bytes) -> Iterator[str]:
        if event.strip() == _DONE:
            self.done = True
            return
        try:
            fields = json.loads(event)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            if not self._events.seen:
                raise self._no_completion(event)
            self._unread += 1
            return
        self._refuse_error(fields)
        choices = fields.get("choices")
        if choices is None and "usage" not in fields and not self._events.seen:
            raise self._no_completion(event)
        self._model = told.text(fields.get("model")) or self._model
        self._response_id = told.text(fields.get("id")) or self._response_id
        if isinstance(fields.get("usage"), dict):
            self._usage = _usage(fields["usage"])
        for choice in choices if isinstance(choices, list) else []:
            if isinstance(choice, dict):
                yield from self._take_choice(choice)

    def _take_choice(self, choice: Mapping[str, Any]) -> Iterator[str]:
        index = choice.get("index")
        if not self._chosen:
            self._choice, self._chosen = index or 0, True
        if index is not None and index != self._choice:  # some servers count their choices in the first event only
            self._others.add(str(index))
            return
        self._refuse_error(choice)
        message = choice.get("delta") or choice.get("message") or {}
        self._finish_reason = told.text(choice.get("finish_reason")) or self._finish_reason
        if not isinstance(message, dict):
            return
        self._tools += _tool_names(message)
        thought = told.text(message.get("reasoning_content")) or told.text(message.get("reasoning"))
        self._reasoning += [thought] if thought else []
        piece = _content(message.get("content")) or told.text(message.get("refusal"))
        if piece:
            self._pieces.append(piece)
            yield piece

    def _refuse_error(self, fields: Mapping[str, Any]) -> None:
        """Raise the error that some servers send with status 200, or in the middle of a stream."""
        error = fields.get("error") or (fields if fields.get("object") == "error" else None)
        if not error:
            return
        code = error.get("code") if isinstance(error, dict) else None
        status = code if isinstance(code, int) and 400 <= code < 600 else None
        said = quote(error, self._endpoint)
        msg = f"{self._endpoint.host} sent an error instead of a reply: {said} Ask again, or use another model."
        kind = GarbledReplyError if status is None else ClientError
        raise kind(msg, status=status, retryable=is_retryable(status))

    def _no_completion(self, sent: bytes) -> ClientError:
        said = quote(sent.decode(errors="replace"), self._endpoint)
        msg = (
            f"{self._endpoint.host} sent something that is not a chat completion: {said} "
            f"Check the address: {self._endpoint.address_rule}."
        )
        return GarbledReplyError(msg, retryable=True)


class _Events:
    """Cuts bytes into the data of server-sent events, and keeps them all while there is no event among them."""

    def __init__(self) -> None:
        self.seen = False
        self.count = 0
        self.pending = 0  # bytes since the last event
        self.commented = False
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._unread: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        self.pending += len(chunk)
        if not self.seen:
            self._unread.append(chunk)
        first, *more = chunk.split(b"\n")
        self._line.append(first)
        for next_line in more:
            line = b"".join(self._line).rstrip(b"\r")
            self._line = [next_line]
            self.commented = line.startswith(b":") or (self.commented and not line)
            if line.startswith(b"data:"):
                self.seen, self._unread = True, []
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data:
                event, self._data = b"\n".join(self._data), []
                self.count += 1
                self.pending = 0
                yield event

    def rest(self) -> bytes:
        """Return what has come and was not yielded."""
        if not self.seen:
            lines = [line for line in b"".join(self._unread).split(b"\n") if not line.startswith(b":")]
            self.seen = len(lines) == 1 and lines[0].startswith(b"data:")
            return lines[0][5:].strip() if self.seen else b"\n".join(lines)
        line = b"".join(self._line).rstrip(b"\r")
        data = [*self._data, line[5:].removeprefix(b" ")] if line.startswith(b"data:") else self._data
        return b"\n".join(data)


def _is_json(sent: bytes) -> bool:
    try:
        json.loads(sent)
    except (ValueError, RecursionError):
        return False
    return True


def _content(content: object) -> str | None:
    """Return the text of a message's content, which some servers cut into typed parts."""
    if isinstance(content, list):
        texts = [told.text(part.get("text")) for part in content if isinstance(part, dict)]
        return "".join(text for text in texts if text)
    return told.text(content)


def _tool_names(message: Mapping[str, Any]) -> list[str]:
    calls = message.get("tool_calls")
    functions = [call.get("function") for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    functions.append(message.get("function_call"))
    return [str(function["name"]) for function in functions if isinstance(function, dict) and function.get("name")]


def _whole(text: str) -> str:
    """Join characters that came as two halves in two events; half a character alone cannot be written to any file."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _usage(usage: Mapping[str, Any]) -> Usage:
    asked, answered = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    return Usage(
        input_tokens=told.count(usage.get("prompt_tokens")),
        output_tokens=told.count(usage.get("completion_tokens")),
        cached_input_tokens=told.count(asked.get("cached_tokens")) if isinstance(asked, dict) else None,
        reasoning_tokens=told.count(answered.get("reasoning_tokens")) if isinstance(answered, dict) else None,
        cost=told.dollars(usage.get("cost")),
    )
