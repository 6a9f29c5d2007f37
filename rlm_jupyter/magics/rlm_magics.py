"""The magics themselves: options in, a result out."""

from __future__ import annotations

import os
from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, cast

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import MagicArgumentParser, argument, magic_arguments
from traitlets import Bool, CaselessStrEnum, Dict, Float, Integer, Unicode, Union

from rlm_jupyter.core.errors import InterruptedRun, RLMError

from .bound import BoundNames
from .notebook_path import cell_id, notebook_path
from .options import parse_options, split_line

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from rlm_jupyter.core.results import RLMChatCompletion
    from rlm_jupyter.core.steering import Reviewer
    from rlm_jupyter.trace.schema import Event

    from .conversation import Ask, Conversations
    from .journal import Journal
    from .live import LiveDisplay
    from .server_link import ServerLink

__all__ = ["RLMMagics"]

_SYNC = ("none", "in", "out", "both")


@magics_class
class RLMMagics(Magics):
    """Defaults of ``%rlm`` and ``%%rlm``. Set them with ``%config RLMMagics.model = "..."`` or in ipython_config.py."""

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
        help="The client: 'openai' (any compatible server), 'offline', or a plugin's.",
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
        _SYNC,
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
        help="How many tokens the model can read, for compaction; None: as it is known of common models.",
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

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._shell = shell
        self._conversations: Conversations | None = None
        self._journal: Journal | None = None
        self._told_of_no_notebook = False
        self._bound = BoundNames(shell.user_ns)
        self.link: ServerLink | None = None

    @classmethod
    def of(cls, shell: InteractiveShell) -> RLMMagics | None:
        """Return the magics that are registered in the shell, or None."""
        registered = shell.magics_manager.registry.get(cls.__name__)
        return registered if isinstance(registered, cls) else None

    @no_var_expand
    @magic_arguments()
    @argument("--context", metavar="EXPR", action="append", help="What the question is about: a variable or expression "
              "of the notebook, passed by reference. May be given more than once.")  # fmt: skip
    @argument("--vars", metavar="A,B", help="The only variables of the notebook that the model sees.")
    @argument("--sync", choices=_SYNC, help="What is shared with the notebook.")
    @argument("--model", help="The model to ask.")
    @argument("--sub-model", metavar="MODEL", help="The model that calls below the root go to.")
    @argument("--backend", help="The client to ask it through.")
    @argument("--base-url", help="The address of an OpenAI-compatible server.")
    @argument("--env", help="Where model code runs.")
    @argument("--fresh", action="store_true", help="Ask without the conversation so far, and leave no turn in it.")
    @argument("--max-iterations", type=int, metavar="N", help="How many replies the root model may take.")
    @argument("--max-depth", type=int, metavar="N", help="0: a plain model call; 1: a run that works in code; "
              "from 2 on with child runs below it.")  # fmt: skip
    @argument("--timeout", type=float, metavar="SECONDS", help="How long it may take.")
    @argument("--budget", type=float, metavar="DOLLARS", help="How much it may cost.")
    @argument("--max-tokens", type=int, metavar="N", help="How many tokens it may use, in and out.")
    @argument("--cache", action="store_true", help="Keep the models' replies, and answer from those that are kept: "
              "the cell, run again, is asked in its old place and costs nothing.")  # fmt: skip
    @argument("--no-cache", action="store_true", help="Ask anew, although RLMMagics.cache is set.")
    @argument("--as", dest="response_model", metavar="NAME", help="What the answer has to be: a pydantic model of the "
              "notebook, another type such as list[Row], or a dict with a JSON schema. The result's `parsed` is then a "
              "valid object of it.")  # fmt: skip
    @argument("--out", metavar="NAME", help="Bind the result to this name; with --as, the object that was asked for.")
    @argument("--no-trace", action="store_true", help="Leave this run out of the trace notebook, and out of what "
              "the Jupyter server keeps.")  # fmt: skip
    @argument("--quiet", action="store_true", help="Show no live display.")
    @argument("--review", action="store_true", help="Ask before each code block runs, those of child runs too: in the "
              "sidebar when it is open, else below the cell.")  # fmt: skip
    @line_cell_magic
    def rlm(self, line: str, cell: str | None = None) -> RLMChatCompletion | None:
        """Ask a recursive language model about the variables of this notebook.

        In a cell, ``%%rlm [options]`` takes the cell's body as the question, word for word; on a line,
        ``%rlm [options] question`` does. ``%rlm`` alone shows the status, ``%rlm help`` the other commands.
        """
        from .failure import told_briefly, without_frames

        failure: BaseException
        try:
            return self._obey(line, cell)
        except (RLMError, InterruptedRun) as error:
            failure = told_briefly(error)
        except UsageError as error:
            failure = without_frames(error)
        raise failure  # here, where no frame holds what the user's variables hold

    def _obey(self, line: str, cell: str | None) -> RLMChatCompletion | None:
        """Carry out a command, or ask a question."""
        parser = cast(MagicArgumentParser, type(self).rlm.parser)
        options, rest = split_line(line, parser)
        if cell is not None:
            if rest:
                msg = (
                    f"%%rlm takes options on its line, and {rest!r} is none: the question goes into the cell below, "
                    "and an expression with spaces into quotation marks."
                )
                raise UsageError(msg)
            return self._ask(parse_options(options, parser), cell.strip())
        if not options.strip():
            from .commands import find_command

            command = find_command(rest)
            if command is not None:
                command(self)
                return None
        arguments = parse_options(options, parser)
        if not rest:
            msg = "There is no question. Write it behind the options, or use %%rlm with the question in the cell."
            raise UsageError(msg)
        return self._ask(arguments, rest)

    @property
    def conversations(self) -> Conversations:
        """The sessions of this kernel."""
        if self._conversations is None:
            from .conversation import Conversations

            self._conversations = Conversations()
        return self._conversations

    @property
    def journal(self) -> Journal:
        """The traces of this kernel."""
        if self._journal is None:
            from .journal import Journal

            self._journal = Journal(self.find_notebook, lambda: self.trace, self._server_writes)
        return self._journal

    def record(self, event: Event) -> None:
        """Take in an event of any run of this process."""
        self.journal.observe(event)

    def find_notebook(self) -> Path | None:
        """Return the notebook's file, or None while it is not known."""
        if self.notebook:
            return Path(self.notebook).expanduser().absolute()
        return notebook_path(self._shell.user_ns, os.environ)

    def own_sessions(self) -> set[str]:
        """Return the ids of this kernel's sessions."""
        return {session.session_id for session in self._conversations.sessions} if self._conversations else set()

    def _server_writes(self) -> bool:
        return self.link is not None and self.link.writes

    def choose(self, arguments: Namespace | None = None) -> tuple[Ask, str | None]:
        """Return what decides who answers, from the options and else the defaults, and a line to tell the user."""
        from rlm_jupyter.clients.choice import choose_below

        from .conversation import Ask
        from .repl_choice import chosen_repl
        from .server_choice import chosen_server, without_deployment

        given = {name: value for name, value in vars(arguments or Namespace()).items() if value is not None}
        choice = chosen_server(self, given)
        sub_model = given.get("sub_model", self.sub_model)
        below = [choose_below(sub_model, without_deployment(choice), os.environ)] if sub_model else []
        ask = Ask(
            backend=choice.backend,
            backend_kwargs=tuple(sorted(choice.backend_kwargs.items())),
            repl=chosen_repl(self, given),
            limits=(
                ("max_iterations", given.get("max_iterations", self.max_iterations)),
                ("max_depth", given.get("max_depth", self.max_depth)),
                ("max_concurrent_subcalls", self.max_concurrent_subcalls),
                ("max_timeout", given.get("timeout", self.timeout)),
                ("max_budget", given.get("budget", self.budget)),
                ("max_tokens", given.get("max_tokens", self.max_tokens)),
                ("max_errors", self.max_errors),
            ),
            compaction=self.compaction,
            context_window=self.context_window,
            others=tuple((each.backend, tuple(sorted(each.backend_kwargs.items()))) for each in below),
            sampling=dict(self.sampling_args),
            sub_sampling=None if self.sub_sampling_args is None else dict(self.sub_sampling_args),
            cache=False if given.get("no_cache") else self.cache or given.get("cache", False),
        )
        return ask, choice.notice

    def close(self) -> None:
        """Close the client, the model's REPLs, and the link to the server."""
        if self.link is not None:
            self.link.close()
        if self._conversations is not None:
            self._conversations.close()

    def _ask(self, arguments: Namespace, question: str) -> RLMChatCompletion:
        from rlm_jupyter.runs.settings import Origin

        from .conversation import Asker, Onlookers
        from .expressions import context_of, response_model_of
        from .live import LiveDisplay
        from .session_settings import session_settings

        if not question.strip():
            msg = "The question is empty: write it in the cell below %%rlm."
            raise UsageError(msg)
        if arguments.out is not None and not arguments.out.isidentifier():
            msg = f"--out takes the name of a variable, and {arguments.out!r} cannot be one."
            raise UsageError(msg)
        # Whether there is a context cannot be told by its value: None is one.
        asked = (context_of(self._shell, arguments.context), question) if arguments.context else (question, None)
        response_model = response_model_of(self._shell, arguments.response_model)
        notebook = self.find_notebook()
        origin = Origin(
            notebook=str(notebook) if notebook else None,
            cell_id=cell_id(self._shell),
            settings=session_settings(self),
        )
        ask, notice = self.choose(arguments)
        live = LiveDisplay(updates=hasattr(self._shell, "kernel"))
        traced = self.trace and not arguments.no_trace
        reviewer = self._reviewer(live, shared=traced) if arguments.review or self.review else None
        with ExitStack() as stack:
            shown = not (arguments.quiet or self.quiet)
            if shown:
                stack.enter_context(live)
            if ask.cache and arguments.out is not None:
                stack.enter_context(self._bound.set_aside(arguments.out))
            for told in (notice, self._no_trace_notebook(notebook, wanted=traced)):
                if told:
                    live.note(told)
            completion = self.conversations.ask(
                ask,
                *asked,
                fresh=arguments.fresh,
                origin=origin,
                onlookers=Onlookers(
                    live,
                    [self.journal.leave_out] if arguments.no_trace else [],
                    reviewer,
                    live.note if shown else None,
                ),
                response_model=response_model,
                asker=Asker(origin.cell_id, question, repr(arguments) if origin.cell_id is None else ""),
            )
        if arguments.out is not None:
            self._bound.bind(arguments.out, completion if response_model is None else completion.parsed)
        return completion

    def _reviewer(self, live: LiveDisplay, *, shared: bool) -> Reviewer:
        """Return who is asked about code: somebody at the server, too, if it hears of the run and can be heard."""
        from .review import CellReviewer

        link = self.link if shared and self.link is not None and self.link.reach != "shell" else None
        reviewer = CellReviewer(self._shell, live, lambda: link is not None and link.reviewer_present)
        reviewer.check()
        return reviewer

    def _no_trace_notebook(self, notebook: Path | None, *, wanted: bool) -> str | None:
        """Return a line that says why no trace notebook is written, the first time after there was one."""
        told, self._told_of_no_notebook = self._told_of_no_notebook, notebook is None
        if notebook is not None or told or not wanted or self._server_writes():
            return None
        return (
            "No trace notebook is written: which notebook this is, the kernel does not know. Tell it: "
            '%config RLMMagics.notebook = "name.ipynb"'
        )
