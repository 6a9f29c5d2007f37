"""The reference has everything that has a name: looked for in the product itself, not in what writes the pages."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from traitlets.utils.importstring import import_item

import rlm_jupyter
from rlm_jupyter.cli.app import RLMApp
from rlm_jupyter.core import errors, protocols
from rlm_jupyter.environments.scaffold import RESERVED_NAMES
from rlm_jupyter.magics.commands import COMMANDS
from rlm_jupyter.magics.rlm_magics import RLMMagics
from rlm_jupyter.server.extension import RLMExtension
from rlm_jupyter.server.routes.base import RLMHandler
from rlm_jupyter.server.routes.table import PATHS
from rlm_jupyter.trace.schema import SCHEMA_VERSION

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
LABEXTENSION = ROOT / "labextension"

VARIABLE = re.compile(r"(RLM_JUPYTER|OPENAI|AZURE|OPENROUTER|JPY)(_[A-Z]+)+")


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """Return what stands below a heading, up to the next one of its level or above."""
    level = len(heading) - len(heading.lstrip("#"))
    found = re.search(rf"^{re.escape(heading)}$\n(.*?)(?=^#{{1,{level}}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"There is no {heading!r}."
    return found[1]


def rows(text: str) -> dict[str, str]:
    """Return the rows of the tables by the code in their first cell, each name of it by itself."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.replace(r"\|", "¦").strip("|").split(" | ")]
        for name in re.findall(r"`([^`]+)`", cells[0]) if line.startswith("| `") else ():
            found[name] = " | ".join(cells[1:])
    return found


def words(text: str) -> str:
    """Return a text without what Markdown marks in it."""
    return " ".join(re.sub(r"[`\\]", "", text).split())


def test_every_option_of_the_magics() -> None:
    parser: Any = RLMMagics.rlm.parser
    told = rows(section(page("magics.md"), "## Options"))
    options = [action for action in parser._actions if action.dest != "help"]
    assert len(options) == len(told)
    for action in options:
        row = next(f"{name} | {row}" for name, row in told.items() if name.split()[0] in action.option_strings)
        takes_value = action.nargs != 0
        assert takes_value == (" " in row.partition(" | ")[0]), f"{row}: what does it take?"
        assert all(choice in row for choice in action.choices or ())
        assert words(action.help) in words(row)


def test_every_command_of_the_magics() -> None:
    told = rows(section(page("magics.md"), "## Commands"))
    for name, command in COMMANDS.items():
        row = told[f"%rlm {name} {command.usage}".strip().replace("|", "¦")]
        assert words(command.purpose)[1:] in words(row)


@pytest.mark.parametrize(("heading", "kind"), [("## The notebook", RLMMagics), ("## The server", RLMExtension)])
def test_every_setting(heading: str, kind: Any) -> None:
    told = rows(section(page("settings.md"), heading))
    settings = kind.class_traits(config=True)
    for base in kind.__mro__:
        if not base.__module__.startswith("rlm_jupyter"):
            settings = {name: each for name, each in settings.items() if name not in vars(base)}
    assert told.keys() == settings.keys()
    for name, trait in settings.items():
        assert words(trait.help) in words(told[name])
        if type(trait.default_value) in (int, float, bool):
            assert str(trait.default_value) in told[name].replace("_", "")


def commands(group: Any) -> Iterator[Any]:
    for kind, _ in vars(group)["subcommands"].values():
        app = import_item(kind) if isinstance(kind, str) else kind
        yield app
        if isinstance(vars(app).get("subcommands"), dict):
            yield from commands(app)


@pytest.mark.parametrize("app", [*commands(RLMApp)], ids=lambda app: app.name)
def test_every_command_and_its_options(app: Any) -> None:
    text = page("command.md")
    shared = text.partition("\n## ")[0]
    name = app.name.replace("-", " ")
    told = section(text, f"{'##' if name.count(' ') == 2 else '###'} `{name}`")
    assert words(app.description.partition("\n")[0]) in words(told)
    for names in (*app.aliases, *app.flags):
        for each in names if isinstance(names, tuple) else (names,):
            option = f"`{'-' if len(each) == 1 else '--'}{each}`"
            assert option in told or option in shared, f"{name} {option}"


def test_every_environment_variable() -> None:
    told = rows(section(page("settings.md"), "## Environment variables"))
    constants = {
        node.value
        for source in (ROOT / "rlm_jupyter").rglob("*.py")
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    read = {each for each in constants if VARIABLE.fullmatch(each)}
    assert {"RLM_JUPYTER_MODEL", "OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"} <= read <= told.keys()


def test_every_setting_command_and_shortcut_of_the_labextension() -> None:
    schema = json.loads((LABEXTENSION / "schema" / "plugin.json").read_text(encoding="utf-8"))
    told = section(page("settings.md"), "## JupyterLab")
    for name, setting in schema["properties"].items():
        assert setting["title"] in rows(told)[name]
        assert json.dumps(setting["default"]) in rows(told)[name]
    tokens = (LABEXTENSION / "src" / "tokens.ts").read_text(encoding="utf-8")
    ids = re.findall(r"'(rlm-jupyter:[\w-]+)'", tokens.split("CommandIDs", 1)[1].split("as const", 1)[0])
    assert len(ids) > 20
    assert set(ids) <= rows(section(told, "### Commands")).keys()
    for shortcut in schema["jupyter.lab.shortcuts"]:
        keys = " ".join(f"<kbd>{key}</kbd>" for key in shortcut["keys"][0].split())
        assert f"| {keys} | `{shortcut['command']}` |" in told


@pytest.mark.parametrize("path", PATHS)
def test_every_route_and_verb(path: str) -> None:
    handler = PATHS[path]
    verbs = [verb for verb in ("get", "put", "post", "delete") if getattr(handler, verb) != getattr(RLMHandler, verb)]
    assert verbs
    for verb in verbs:
        told = section(page("rest.md"), f"### `{verb.upper()} {path}`")
        assert set(re.findall(r"{(\w+)}", path)) <= rows(told).keys()
        assert re.search(r"^\| 20\d \|", told, re.MULTILINE)
        assert "403" in told.splitlines()[-2]


def test_every_event_of_a_trace_field_by_field() -> None:
    schema = json.loads((ROOT / "docs" / "schema" / f"trace-{SCHEMA_VERSION}.json").read_text(encoding="utf-8"))
    assert len(schema["$defs"]) > 15
    for name, model in schema["$defs"].items():
        told = rows(section(page("trace-schema.md"), f"### {name}"))
        assert told.keys() == model["properties"].keys()
        assert all(row.rpartition(" | ")[2] for row in told.values()), f"A field of {name} says nothing of itself."


def test_every_public_name() -> None:
    text = page("python.md")
    for name in rlm_jupyter.__all__:
        value = getattr(rlm_jupyter, name)
        if isinstance(value, type) and issubclass(value, BaseException):
            assert section(page("errors.md"), f"## `{name}`").count("\n") > 3
        elif name != "__version__":
            assert re.search(rf"^\.\. auto(class|function):: rlm_jupyter\.{name}$", text, re.MULTILINE), name
    for name in ("Client", "Environment", "Queries", "ModelRequest", "ModelReply"):
        assert f".. autoclass:: {getattr(protocols, name).__module__}.{name}\n" in text


def test_every_error_of_a_run() -> None:
    for name in errors.__all__:
        kind = getattr(errors, name)
        if inspect.isclass(kind):
            told = section(page("errors.md"), f"## `{name}`")
            assert all(f"`{base.__name__}`" in told for base in kind.__bases__)


def test_every_name_that_model_code_finds() -> None:
    told = {name.partition("(")[0] for name in rows(page("scaffold.md"))}
    assert told == RESERVED_NAMES | {"context_N", "history_N", "session_context_N"}
