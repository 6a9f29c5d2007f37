"""settings.md: everything that can be set, and where."""

from __future__ import annotations

from rlm_jupyter.magics.defaults import Defaults
from rlm_jupyter.server.extension import RLMExtension

from .backends import backends_table
from .lab import commands_table, settings_table, shortcuts_table
from .markdown import code, paragraphs, table
from .traits import own_settings, setting_row
from .variables import VARIABLES

__all__ = ["settings_page"]

_HEAD = ("setting", "type", "default", "what it is for")


def settings_page() -> str:
    """Return the page."""
    return paragraphs(
        "# Settings",
        "## The notebook",
        "For this kernel, in a cell; `%rlm config` shows what holds now. The options of [`%%rlm`](magics.md) come "
        "first.",
        "<!-- run first: %load_ext rlm_jupyter -->\n"
        '```ipython\n%config RLMMagics.model = "offline"\n%config RLMMagics.max_iterations = 20\n```',
        "For every kernel, in `ipython_config.py` in the folder that `ipython locate profile` names:",
        "<!-- run first: from traitlets.config import Config; c = Config() -->\n"
        '```python\nc.RLMMagics.model = "offline"\n```',
        table(_HEAD, (setting_row(name, trait) for name, trait in own_settings(Defaults).items())),
        "## Backends",
        "A backend is named by `--backend`, by the beginning of a model's name (`ollama:qwen3:8b`), or in "
        "`RLM(backend, ...)`. `base_url` names another address, and `api_key` among the arguments another key. `%rlm "
        "models` lists them, and those of plugins. More about [keys](../guides/models.md#keys).",
        backends_table(),
        "## The server",
        "The [server extension](../guides/server.md) is set in `jupyter_server_config.py`, in one of the folders that "
        "`jupyter --paths` lists, or on the command line: `jupyter lab --RLMExtension.max_runs=1000`.",
        "<!-- run first: from traitlets.config import Config; c = Config() -->\n"
        '```python\nc.RLMExtension.trace_location = "traces"\n```',
        _server_table(),
        "## JupyterLab",
        "The [panel](../guides/sidebar.md) is set in JupyterLab under Settings, Settings Editor, RLM; for all users "
        "of a machine in `overrides.json`, under `rlm-jupyter:plugin`.",
        settings_table(),
        "### Commands",
        "They are in the command palette, and most in the menu Run, RLM; shortcuts and other extensions call them by "
        "their ids.",
        commands_table(),
        "### Shortcuts",
        "They can be changed under Settings, Settings Editor, Keyboard Shortcuts.",
        shortcuts_table(),
        "## The command",
        "`jupyter rlm` reads `jupyter_rlm_config.py`; the settings stand beside the options of [each "
        "command](command.md).",
        "## Environment variables",
        "They are read in the kernel, or by `jupyter rlm`, when a question is asked; the last one by the server, too. "
        "Which key goes to which server is told in [models](../guides/models.md#keys); through litellm, the "
        "provider's own variables count.",
        table(("variable", "what it is for"), ((code(name), about) for name, about in VARIABLES.items())),
    )


def _server_table() -> str:
    return table(_HEAD, (setting_row(name, trait) for name, trait in own_settings(RLMExtension).items()))
