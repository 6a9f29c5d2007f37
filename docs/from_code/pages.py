"""Every page of the reference, by the name of its file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .command import command_page
from .errors import errors_page
from .magics import magics_page
from .markdown import GENERATED, paragraphs
from .python_api import python_page
from .rest import rest_page
from .scaffold import scaffold_page
from .settings import settings_page
from .trace_schema import trace_schema_page

__all__ = ["PAGES", "pages"]

PAGES: dict[str, tuple[Callable[[], str], str]] = {
    "magics.md": (magics_page, "Every option, and every command of `%rlm`."),
    "settings.md": (
        settings_page,
        "What can be set, and where: the notebook, the server, JupyterLab, the environment.",
    ),
    "command.md": (command_page, "The commands for a terminal, with their options and exit codes."),
    "scaffold.md": (scaffold_page, "The names that model code finds: `context`, `llm_query`, `answer` and the others."),
    "python.md": (python_page, "Classes and functions of `rlm_jupyter`, and the protocols that plugins fulfil."),
    "errors.md": (errors_page, "What is raised, when, and what it carries."),
    "rest.md": (rest_page, "The routes below `/rlm-jupyter/` of a Jupyter server."),
    "trace-schema.md": (trace_schema_page, "Every event of a trace, field by field, and our MIME types."),
}


def pages() -> dict[str, str]:
    """Return the pages' Markdown by their files' names, the index among them."""
    made = {name: page() for name, (page, _) in PAGES.items()}
    titles = {name: text.partition("\n")[0].removeprefix("# ") for name, text in made.items()}
    return {name: f"{GENERATED}\n\n{text}" for name, text in {"index.md": _index(titles), **made}.items()}


def _index(titles: Mapping[str, str]) -> str:
    links = "\n".join(f"- [{titles[name]}]({name}): {about}" for name, (_, about) in PAGES.items())
    names = "\n".join(name.removesuffix(".md") for name in PAGES)
    return paragraphs(
        "# Reference",
        "All that has a name, as the code has it. These pages are made from the code by `make generate`, and `make "
        "lint` fails when they are not current. How things work together is told in the [guides](../guides/index.md).",
        links,
        f"```{{toctree}}\n:hidden:\n\n{names}\n```",
    )
