"""How many tokens the conversation with a model may take, for models that many use."""

from __future__ import annotations

import re

__all__ = ["context_window"]

# Sources: the context windows that the package genai-prices 0.2 lists (it collects the providers' model pages), looked
# up in November 2026. OpenAI counts 128,000 tokens of output into the windows of GPT-5 and later: what remains for the
# input is told here (https://platform.openai.com/docs/models). Models that people serve themselves (Llama, Gemma, Qwen,
# gpt-oss, ...) are left out: their window is what the server was started with.
_WINDOWS = {
    "chatgpt-4o": 128_000,
    "claude": 200_000,
    "claude-fable-5": 1_000_000,
    "claude-haiku-5": 1_000_000,
    "claude-mythos-5": 1_000_000,
    "claude-opus-4-6": 1_000_000,
    "claude-opus-4-7": 1_000_000,
    "claude-opus-4-8": 1_000_000,
    "claude-opus-5": 1_000_000,
    "claude-sonnet-4-6": 1_000_000,
    "claude-sonnet-5": 1_000_000,
    "codestral": 256_000,
    "deepseek-chat": 64_000,
    "deepseek-reasoner": 64_000,
    "deepseek-v3": 128_000,
    "deepseek-v4": 1_000_000,
    "devstral-2512": 262_144,
    "gemini-1.5": 1_000_000,
    "gemini-2": 1_000_000,
    "gemini-3": 1_000_000,
    "gemini-4": 1_000_000,
    "glm-5.2": 1_000_000,
    "glm-5.3": 1_000_000,
    "gpt-3.5-turbo": 16_385,
    "gpt-4": 8_192,
    "gpt-4-32k": 32_000,
    "gpt-4-turbo": 128_000,
    "gpt-4.1": 1_000_000,
    "gpt-4.5": 128_000,
    "gpt-4o": 128_000,
    "gpt-5": 272_000,
    "gpt-5-chat": 128_000,
    "gpt-5.1-chat": 128_000,
    "gpt-5.2-chat": 128_000,
    "gpt-5.3": 128_000,
    "gpt-5.3-codex": 272_000,
    "gpt-5.4": 922_000,
    "gpt-5.4-mini": 272_000,
    "gpt-5.4-nano": 272_000,
    "gpt-5.5": 872_000,
    "gpt-5.6": 922_000,
    "gpt-6": 922_000,
    "grok-3": 131_072,
    "grok-4": 256_000,
    "grok-4-1-fast": 2_000_000,
    "grok-4-fast": 2_000_000,
    "grok-4.20": 1_000_000,
    "grok-4.3": 1_000_000,
    "grok-4.5": 500_000,
    "grok-4.6": 500_000,
    "grok-4.7": 500_000,
    "grok-code-fast": 256_000,
    "kimi-k2": 131_072,
    "kimi-k2-0905": 262_144,
    "kimi-k2-thinking": 262_144,
    "kimi-k2.": 262_144,
    "kimi-k3": 1_000_000,
    "mistral-large-2512": 262_144,
    "mistral-large-4": 1_000_000,
    "o1": 200_000,
    "o1-mini": 128_000,
    "o1-preview": 128_000,
    "o3": 200_000,
    "o4-mini": 200_000,
    "offline": 10_000_000,  # it has no limit of its own
}
# At a word's beginning, behind whatever a gateway puts before it: openai/gpt-5, us.anthropic.claude-opus-4-6-v1:0. The
# longest name that fits is the one meant, and a digit more would be another model: o1 is not o10, gpt-4 not gpt-45.
_KNOWN = re.compile(
    rf"(?<![a-z0-9])(?:{'|'.join(sorted(map(re.escape, _WINDOWS), key=len, reverse=True))})(?!(?<=\d)\d)"
)


def context_window(model: str) -> int | None:
    """Return how many tokens a conversation with the model may take, or None when that is not known."""
    known = _KNOWN.search(model.lower())
    return _WINDOWS[known[0]] if known is not None else None
