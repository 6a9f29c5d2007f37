"""command.md: ``jupyter rlm`` and the commands below it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from jupyter_core.application import base_aliases, base_flags
from traitlets import TraitType
from traitlets.utils.importstring import import_item

from rlm_jupyter.cli.app import RLMApp
from rlm_jupyter.cli.command import FAILED, INTERRUPTED, USAGE, Command, Group

from .markdown import code, paragraphs, prose, table, text
from .traits import default_text, type_text

__all__ = ["command_page"]

_SHARED = {**base_flags, **base_aliases}


def command_page() -> str:
    """Return the page."""
    parts = [part for app in _commands(RLMApp) for part in _about(app)]
    return paragraphs(
        "# `jupyter rlm`",
        f"{text(RLMApp.description)} How it is used is told in [the command](../guides/command.md).",
        table(
            ("exit code", "meaning"),
            (
                ("0", "It is done."),
                (str(FAILED), "It could not be done, or something differs where a command looks for that."),
                (str(USAGE), "It was not understood, or did not begin."),
                (str(INTERRUPTED), "It was interrupted."),
            ),
        ),
        "Every setting below can stand in `jupyter_rlm_config.py`, in one of the folders that `jupyter --paths` lists: "
        '`c.RunApp.model = "offline"`. Every command also takes these:',
        table(("option", "what it does"), _shared_rows()),
        *parts,
    )


def _commands(group: type[Group]) -> Iterator[type[Command]]:
    below: dict[str, Any] = vars(group)["subcommands"]
    for kind, _ in below.values():
        app = import_item(kind) if isinstance(kind, str) else kind
        yield app
        if issubclass(app, Group):
            yield from _commands(app)


def _about(app: Any) -> Iterator[str]:
    name = app.name.replace("-", " ")
    yield f"{'##' if name.count(' ') == 2 else '###'} `{name}`"
    head, _, listed = app.description.partition(":\n")
    yield prose(head) if not listed else f"{prose(head)}:"
    if listed:
        yield _formats()
    if issubclass(app, Group):
        below = ((code(f"{name} {each}"), text(told)) for each, (_, told) in app.subcommands.items())
        yield table(("command", "what it does"), below)
        return
    if app.examples:
        examples = textwrap.dedent(app.examples).strip()
        yield f"<!-- not run: a pattern, with files of yours in it -->\n```sh\n{examples}\n```"
    yield table(("option", "setting", "type", "default", "what it does"), _rows(app))


def _formats() -> str:
    from rlm_jupyter.trace.artifacts.formats import FORMATS

    rows = (
        (
            code(form.name),
            code(form.extension),
            " ".join(
                [text(form.summary), *(f"{code(name)}: {text(each.summary)}" for name, each in form.options.items())]
            ),
        )
        for form in FORMATS.values()
    )
    return table(("format", "ends in", "what it is, and its options"), rows)


def _rows(app: Any) -> Iterator[tuple[str, ...]]:
    for names, target in app.aliases.items():
        if names not in _SHARED:
            setting = target[0] if isinstance(target, tuple) else target
            trait = _trait(app, setting)
            yield _options_text(names), code(setting), type_text(trait), default_text(trait), text(str(trait.help))
    for names, (_, told) in app.flags.items():
        if names not in _SHARED:
            yield _options_text(names), "", "", "", text(told)


def _shared_rows() -> Iterator[tuple[str, str]]:
    for names, target in base_aliases.items():
        yield _options_text(names), text(str(_trait(Command, target).help).partition(".")[0]) + "."
    for names, (_, told) in base_flags.items():
        yield _options_text(names), text(" ".join(told.split()))
    yield "`--help`, `--help-all`", "Says which options there are; with all that can be configured."


def _options_text(names: str | tuple[str, ...]) -> str:
    each = names if isinstance(names, tuple) else (names,)
    return ", ".join(code(f"{'-' if len(name) == 1 else '--'}{name}") for name in each)


def _trait(app: Any, target: str) -> TraitType[Any, Any]:
    kind, _, name = target.partition(".")
    found = next(each for each in (*app.__mro__, *app.classes, *_configured()) if each.__name__ == kind)
    trait: TraitType[Any, Any] = getattr(found, name)
    return trait


def _configured() -> tuple[type, ...]:
    from traitlets.config import Application

    return (Application,)
