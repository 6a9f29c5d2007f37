"""The backends of this distribution: what each asks, where, and whose key goes there."""

from __future__ import annotations

from importlib.metadata import distribution

from rlm_jupyter.clients.choice import GROUP, SERVERS
from rlm_jupyter.clients.endpoint import KEYS, OPENAI, OWN_KEY

from .markdown import code, table

__all__ = ["backends_table"]

_PLACES = {
    "azure": (
        "`AZURE_OPENAI_ENDPOINT`",
        f"`AZURE_OPENAI_AD_TOKEN`, else `AZURE_OPENAI_API_KEY`; with `base_url` {code(OWN_KEY)}",
    ),
    "litellm": ("the provider's", f"the provider's own; with `base_url` {code(OWN_KEY)}"),
    "offline": ("none: the offline extractor, in the kernel", "none"),
    "openai": (
        f"`OPENAI_BASE_URL`, else {code(OPENAI)}",
        f"`OPENAI_API_KEY`; {code(OWN_KEY)} comes before it at `OPENAI_BASE_URL`, and alone counts at a `base_url`",
    ),
    "recorded": ("none: the recording that `trace` names", "none"),
}
"""What the clients of our own read; whoever adds one says it here."""


def backends_table() -> str:
    """Return the table of all backends."""
    ours = {point.name for point in distribution("rlm-jupyter").entry_points if point.group == GROUP}
    rows = [(code(name), *(_PLACES[name] if name in ours else _server(SERVERS[name]))) for name in {*ours, *SERVERS}]
    return table(("backend", "address", "key"), sorted(rows))


def _server(address: str | None) -> tuple[str, str]:
    """Return the address and the key of a server that speaks OpenAI's protocol."""
    if address is None:
        return "the one that `base_url` names", code(OWN_KEY)
    key = next((name for host, name in KEYS.items() if f"//{host}/" in address), OWN_KEY)
    return code(address), code(key)
