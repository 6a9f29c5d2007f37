"""What the labextension says of itself: its settings, commands and shortcuts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from .markdown import code, table, text

__all__ = ["commands_table", "settings_table", "shortcuts_table"]

_LABEXTENSION = Path(__file__).parents[2] / "labextension"

_ID = re.compile(r"^  (\w+): '(rlm-jupyter:[\w-]+)',?$", re.MULTILINE)
_COMMAND = re.compile(
    r"\[CommandIDs\.(?P<name>\w+)\]: \{\s*"
    r"label: trans\.__\(\s*'(?P<label>[^']+)'\s*\),\s*"
    r"(?:caption: trans\.__\(\s*'(?P<caption>[^']+)'\s*\))?"
)


def settings_table() -> str:
    """Return the table of the settings."""
    properties: dict[str, dict[str, Any]] = _schema()["properties"]
    rows = (
        (code(name), each["title"], _type(each), code(json.dumps(each["default"])), text(each["description"]))
        for name, each in properties.items()
    )
    return table(("setting", "in the editor", "type", "default", "what it is for"), rows)


def commands_table() -> str:
    """Return the table of the commands. Raises ``KeyError`` for one that has no label where it is looked for."""
    sources = "\n".join(each.read_text(encoding="utf-8") for each in sorted((_LABEXTENSION / "src").rglob("*.ts")))
    told = {match["name"]: match for match in _COMMAND.finditer(sources)}
    rows = ((code(name), told[key]["label"], text(told[key]["caption"] or "")) for key, name in _command_ids().items())
    return table(("id", "command", "what it does"), rows)


def shortcuts_table() -> str:
    """Return the table of the shortcuts."""
    rows = (
        (" ".join(f"<kbd>{key}</kbd>" for key in each["keys"][0].split()), code(each["command"]))
        for each in _schema()["jupyter.lab.shortcuts"]
    )
    return table(("keys, in the panel", "command"), rows)


def _command_ids() -> dict[str, str]:
    tokens = (_LABEXTENSION / "src" / "tokens.ts").read_text(encoding="utf-8")
    return dict(_ID.findall(tokens.split("export const CommandIDs", 1)[1]))


def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((_LABEXTENSION / "schema" / "plugin.json").read_text(encoding="utf-8"))
    return schema


def _type(setting: dict[str, Any]) -> str:
    if setting["type"] == "boolean":
        return "true or false"
    return f"whole number, {setting['minimum']:,} to {setting['maximum']:,}"
