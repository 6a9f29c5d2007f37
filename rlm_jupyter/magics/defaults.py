"""The defaults of ``%rlm`` and ``%%rlm``, as ``%config RLMMagics`` sets them."""

from __future__ import annotations

from IPython.core.magic import Magics
from traitlets import Bool, CaselessStrEnum, Dict, Float, Integer, Unicode, Union

__all__ = ["SYNC", "Defaults"]

SYNC = ("none", "in", "out", "both")
"""What may be shared with the notebook."""


class Defaults(Magics):
    """The traits of the magics."""

    model = Unicode(
        None,
        allow_none=True,
        config=True,
        help="The model, as its server names it, or 'offline'. None: RLM_JUPYTER_MODEL, else an OpenAI default where "
        "OPENAI_API_KEY is set, else the offline extractor.",
    )
    backend = Unicode(
        None,
        allow_none=True,
        config=True,
        help="The backend that a model is asked through: 'openai' (any compatible server), 'offline', or another one "
        "that %rlm models lists.",
    )
    base_url = Unicode(
        None, allow_none=True, config=True, help="The address of an OpenAI-compatible server, such as a local Ollama."
    )
    backend_kwargs = Dict(
        key_trait=Unicode(),
        config=True,
        help="What the client is made with besides what the options say, such as dict(timeout=60, max_retries=2) or "
        "dict(price_provider='openai'). It is for the server that model, backend and base_url name here: a question "
        "whose options name another one is asked without it.",
    )
    sub_model = Unicode(
        None,
        allow_none=True,
        config=True,
        help="The model that calls below the root go to: a name at the root's server, or one with its backend, such as "
        "'ollama:qwen3:8b'. None: the root's.",
    )
    sampling_args = Dict(
        key_trait=Unicode(),
        config=True,
        help="What goes to the root model's API with every request, such as dict(temperature=0).",
    )
    sub_sampling_args = Dict(
        default_value=None,
        allow_none=True,
        key_trait=Unicode(),
        config=True,
        help="The same for calls below the root; None: what goes to the root's.",
    )
    environment = Unicode(
        "jupyter", config=True, help="Where model code runs: 'jupyter', 'local', 'ipython', or a plugin's."
    )
    environment_kwargs = Dict(
        key_trait=Unicode(),
        config=True,
        help="What that environment, or the one of --env, is made with besides what the options say, such as "
        "dict(kernel_mode='subprocess', cell_timeout=60) for 'ipython'.",
    )
    sync = CaselessStrEnum(
        SYNC,
        "both",
        config=True,
        help="What the model shares with the notebook: 'both' runs its code in the notebook's own namespace, 'in' lets "
        "it see the notebook's variables, 'out' hands what it made to the notebook, 'none' neither.",
    )
    max_iterations = Integer(30, config=True, help="How many replies the root model may take for one question.")
    max_depth = Integer(
        1,
        config=True,
        help="0 sends the question to the model as it is; 1 lets it work in code; from 2 on its code can start child "
        "runs.",
    )
    max_concurrent_subcalls = Integer(16, config=True, help="How many model calls of model code run at the same time.")
    timeout = Float(None, allow_none=True, config=True, help="How many seconds a question may take; None: no limit.")
    budget = Float(None, allow_none=True, config=True, help="How many US dollars a question may cost; None: no limit.")
    max_tokens = Integer(None, allow_none=True, config=True, help="How many tokens a question may use; None: no limit.")
    max_errors = Integer(
        None, allow_none=True, config=True, help="How many blocks of code may fail in a row; None: no limit."
    )
    compaction = Bool(
        False,
        config=True,
        help="Whether a conversation within a run that fills most of the model's window is summed up; the model then "
        "finds all of it in the variable history.",
    )
    context_window = Integer(
        None,
        allow_none=True,
        config=True,
        help="How many tokens the model can read, for compaction and for the size of the pieces that it is told to cut "
        "large material into; None: as it is known of common models, and pieces of 100,000 characters.",
    )
    cache = Union(
        [Bool(), Unicode()],
        default_value=False,
        config=True,
        help="Whether the models' replies are kept in a file, so that a cell that is run again costs nothing: True, or "
        "the file's path. True is RLM_JUPYTER_CACHE, else rlm_jupyter/replies.sqlite3 in Jupyter's data directory.",
    )
    trace = Bool(
        True,
        config=True,
        help="Whether runs are kept: in a trace notebook beside the notebook, and by a Jupyter server that keeps "
        "sessions.",
    )
    record_limit = Integer(
        200_000,
        min=0,
        config=True,
        help="How many characters of values a trace holds in full, so that it can be played again where they are not: "
        "of what --context names, and of the variables that code reads. 0: none.",
    )
    notebook = Unicode(
        None,
        allow_none=True,
        config=True,
        help="The notebook's file, where the front end does not tell it; traces are written beside it.",
    )
    quiet = Bool(False, config=True, help="Whether the live display is left out.")
    review = Bool(
        False,
        config=True,
        help="Whether you are asked before each code block runs: to let it run, to change it, or to reject it.",
    )
