"""How Sphinx makes the documentation: ``make docs``."""

from __future__ import annotations

import json
import os
import re
import tempfile
from importlib.metadata import metadata
from pathlib import Path
from typing import Any, ClassVar

from pygments.lexer import bygroups
from pygments.token import Operator, String, Text
from sphinx.application import Sphinx

try:
    from ipython_pygments_lexers import IPython3Lexer
except ModuleNotFoundError:  # before IPython 9
    from IPython.lib.lexers import IPython3Lexer

ROOT = Path(__file__).parents[1]
PROJECT = metadata("rlm-jupyter")
ADDRESSES = dict(each.split(", ", 1) for each in PROJECT.get_all("Project-URL") or ())

project = "rlm-jupyter"
author = "the rlm-jupyter contributors"
copyright = author  # noqa: A001 - Sphinx's name for it
release = version = PROJECT["Version"]

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
# Below the examples stands what they are made with, and what they leave.
exclude_patterns = ["from_code", "examples/*/*", "**/.*", "**.trace.ipynb", "**.trace-*.ipynb"]
suppress_warnings = ["mystnb.unknown_mime_type"]  # a run has a form for our panel beside those that every page can show

# Pages ---------------------------------------------------------------------------------------------------------------

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 4
smartquotes = False  # options begin with two hyphens, not with a dash

html_theme = "pydata_sphinx_theme"
html_title = "rlm-jupyter"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "github_url": ADDRESSES["Source"],
    "external_links": [{"name": "Changelog", "url": ADDRESSES["Changelog"]}],
    "header_links_before_dropdown": 6,
    "navbar_persistent": ["search-button"],
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
}
ALONE = ("tutorial", "troubleshooting", "security", "coming-from-rlms", "architecture", "benchmarks", "decisions")
html_sidebars: dict[str, list[str]] = {page: [] for page in ("index", *ALONE)}  # nothing stands below these

# Notebooks are run when the pages are built, with no key; an error in a cell fails the build. ------------------------

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_execution_show_tb = True
nb_merge_streams = True

# Nothing of what is built is stored with the sessions of whoever builds it, and no model of theirs is asked.
DATA = tempfile.TemporaryDirectory(prefix="rlm-jupyter-docs-", ignore_cleanup_errors=True)
os.environ["JUPYTER_DATA_DIR"] = DATA.name
os.environ["RLM_JUPYTER_MODEL"] = "offline"


class CellLexer(IPython3Lexer):  # type: ignore[misc]  # it has no types
    """Cells of a notebook: below ``%%rlm`` stands a question, which is no Python."""

    name = "IPython cell"
    _question = (
        r"(?s)\A(\s*)(%%rlm)\b([^\n]*)(\n.*|\Z)",
        bygroups(Text, Operator, String, Text),
    )
    tokens: ClassVar[dict[str, Any]] = {**IPython3Lexer.tokens, "root": [_question, *IPython3Lexer.tokens["root"]]}


# Reference -----------------------------------------------------------------------------------------------------------

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 88

# Links: `make links` asks them all. ----------------------------------------------------------------------------------

linkcheck_timeout = 20
linkcheck_retries = 2
linkcheck_ignore = [
    rf"^{re.escape(ADDRESSES['Source'])}",  # the project's own, which is there once it is published
    rf"^{re.escape(ADDRESSES['Documentation'])}",  # as above
    r"^https?://(localhost|127\.0\.0\.1)\b",  # a server on the reader's own machine
    r"^https://mybinder\.org/v2/",  # asking it starts a machine
]


def lead_outside(app: Sphinx, docname: str, source: list[str]) -> None:
    """Have a relative link to a file of the repository that is no page lead to where the repository is published."""
    page = Path(app.srcdir, docname)

    def published(link: re.Match[str]) -> str:
        path, hash_, anchor = link[1].partition("#")
        file = Path(os.path.normpath(page.parent / path))
        if file.is_relative_to(app.srcdir) or not file.is_relative_to(ROOT) or not file.exists():
            return link[0]
        kind = "tree" if file.is_dir() else "blob"
        return f"]({ADDRESSES['Source']}/{kind}/main/{file.relative_to(ROOT).as_posix()}{hash_}{anchor})"

    source[0] = re.sub(r"\]\((\.\./[^()\s]+)\)", published, source[0])


def list_examples(_app: Sphinx, docname: str, source: list[str]) -> None:
    """Have the examples below their index, in the order in which it names them; in Jupyter it shows no directive."""
    if docname == "examples/index":
        notebook = json.loads(source[0])
        names = dict.fromkeys(re.findall(r"\]\((\w+)\.ipynb\)", source[0]))
        toctree = "\n".join(["```{toctree}", ":hidden:", "", *names, "```"])
        notebook["cells"].append({"cell_type": "markdown", "id": "toctree", "metadata": {}, "source": toctree})
        source[0] = json.dumps(notebook)


def name_notebook(app: Sphinx, docname: str, _source: list[str]) -> None:
    """Tell the kernel that is started next which notebook it runs, as a Jupyter server does; it writes traces by it."""
    os.environ["JPY_SESSION_NAME"] = str(Path(app.srcdir, f"{docname}.ipynb"))


def setup(app: Sphinx) -> None:
    """Have cells set in colours as what they are, and links lead somewhere."""
    for name in ("ipython", "ipython3", "python", "repl"):
        app.add_lexer(name, CellLexer)
    app.connect("source-read", lead_outside)
    app.connect("source-read", list_examples)
    app.connect("source-read", name_notebook)
