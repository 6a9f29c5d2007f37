"""The magics themselves: options in, a result out."""

from __future__ import annotations

import os
from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import MagicArgumentParser, argument, magic_arguments
from traitlets import Bool, CaselessStrEnum, Float, Integer, Unicode

from .notebook_path import cell_id, notebook_path
from .options import parse_options, split_line

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from rlm_jupyter.core.results import RLMChatCompletion

    from .conversation import Ask, Conversations
    from .journal import Journal

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
    environment = Unicode("jupyter", config=True, help="Where model code runs: 'jupyter', 'local', or a plugin's.")
    sync = CaselessStrEnum(
        _SYNC,
        "both",
        config=True,
        help="What the model shares with the notebook: 'both' runs its code in the notebook's own namespace, 'in' lets "
        "it see the notebook's variables, 'out' hands what it made to the notebook, 'none' neither.",
    )
    max_iterations = Integer(30, config=True, help="How many replies the root model may take for one question.")
    max_depth = Integer(1, config=True, help="0 sends the question to the model as it is; 1 lets it work in code.")
    max_concurrent_subcalls = Integer(16, config=True, help="How many model calls of model code run at the same time.")
    timeout = Float(None, allow_none=True, config=True, help="How many seconds a question may take; None: no limit.")
    budget = Float(None, allow_none=True, config=True, help="How many US dollars a question may cost; None: no limit.")
    max_tokens = Integer(None, allow_none=True, config=True, help="How many tokens a question may use; None: no limit.")
    trace = Bool(True, config=True, help="Whether runs are written to a trace notebook beside the notebook.")
    notebook = Unicode(
        None,
        allow_none=True,
        config=True,
        help="The notebook's file, where the front end does not tell it; traces are written beside it.",
    )
    quiet = Bool(False, config=True, help="Whether the live display is left out.")

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._shell = shell
        self._conversations: Conversations | None = None
        self._journal: Journal | None = None

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
    @argument("--backend", help="The client to ask it through.")
    @argument("--base-url", help="The address of an OpenAI-compatible server.")
    @argument("--env", help="Where model code runs.")
    @argument("--fresh", action="store_true", help="Ask without the conversation so far, and leave no turn in it.")
    @argument("--max-iterations", type=int, metavar="N", help="How many replies the root model may take.")
    @argument("--max-depth", type=int, metavar="N", help="0: a plain model call; 1: a run that works in code.")
    @argument("--timeout", type=float, metavar="SECONDS", help="How long it may take.")
    @argument("--budget", type=float, metavar="DOLLARS", help="How much it may cost.")
    @argument("--max-tokens", type=int, metavar="N", help="How many tokens it may use, in and out.")
    @argument("--out", metavar="NAME", help="Bind the result to this name.")
    @argument("--no-trace", action="store_true", help="Leave this run out of the trace notebook.")
    @argument("--quiet", action="store_true", help="Show no live display.")
    @line_cell_magic
    def rlm(self, line: str, cell: str | None = None) -> RLMChatCompletion | None:
        """Ask a recursive language model about the variables of this notebook.

        In a cell, ``%%rlm [options]`` takes the cell's body as the question, word for word; on a line,
        ``%rlm [options] question`` does. ``%rlm`` alone shows the status, ``%rlm help`` the other commands.
        """
        parser = cast(MagicArgumentParser, type(self).rlm.parser)
        options, rest = split_line(line, parser)
        if cell is not None:
            if rest:
                msg = f"%%rlm takes options on its line, and {rest!r} is none: the question goes into the cell below."
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
            from rlm_jupyter.rlm import observers

            from .journal import Journal

            self._journal = Journal(self.find_notebook)
            observers.append(self._journal.observe)
        return self._journal

    def find_notebook(self) -> Path | None:
        """Return the notebook's file, or None while it is not known."""
        if self.notebook:
            return Path(self.notebook).expanduser().absolute()
        return notebook_path(self._shell.user_ns, os.environ)

    def choose(self, arguments: Namespace | None = None) -> tuple[Ask, str | None]:
        """Return what decides who answers, from the options and else the defaults, and a line to tell the user."""
        from rlm_jupyter.clients.choice import choose

        from .conversation import Ask

        given = {name: value for name, value in vars(arguments or Namespace()).items() if value is not None}
        choice = choose(
            given.get("model"),
            given.get("backend", self.backend),
            given.get("base_url", self.base_url),
            self.model,
            os.environ,
        )
        names = given.get("vars")
        ask = Ask(
            backend=choice.backend,
            backend_kwargs=tuple(sorted(choice.backend_kwargs.items())),
            environment=given.get("env", self.environment),
            sync=given.get("sync", "in" if names is not None else self.sync),
            sync_vars=tuple(name.strip() for name in names.split(",") if name.strip()) if names is not None else None,
            limits=(
                ("max_iterations", given.get("max_iterations", self.max_iterations)),
                ("max_depth", given.get("max_depth", self.max_depth)),
                ("max_concurrent_subcalls", self.max_concurrent_subcalls),
                ("max_timeout", given.get("timeout", self.timeout)),
                ("max_budget", given.get("budget", self.budget)),
                ("max_tokens", given.get("max_tokens", self.max_tokens)),
            ),
        )
        return ask, choice.notice

    def close(self) -> None:
        """Stop listening, and close the sessions' clients."""
        if self._journal is not None:
            from rlm_jupyter.rlm import observers

            observers.remove(self._journal.observe)
            self._journal = None
        if self._conversations is not None:
            self._conversations.close_models()

    def _ask(self, arguments: Namespace, question: str) -> RLMChatCompletion:
        from rlm_jupyter.core.errors import RLMError
        from rlm_jupyter.settings import Origin

        from .failure import told_briefly
        from .live import LiveDisplay

        if not question.strip():
            msg = "The question is empty: write it in the cell below %%rlm."
            raise UsageError(msg)
        if arguments.out is not None and not arguments.out.isidentifier():
            msg = f"--out takes the name of a variable, and {arguments.out!r} cannot be one."
            raise UsageError(msg)
        context = self._context(arguments.context)
        journal = self.journal
        journal.enabled = self.trace and not arguments.no_trace
        notebook = self.find_notebook()
        origin = Origin(notebook=str(notebook) if notebook else None, cell_id=cell_id(self._shell))
        try:
            ask, notice = self.choose(arguments)
            live = LiveDisplay(updates=hasattr(self._shell, "kernel"))
            with ExitStack() as stack:
                if not (arguments.quiet or self.quiet):
                    stack.enter_context(live)
                if notice:
                    live.note(notice)
                completion = self.conversations.ask(
                    ask,
                    question if context is None else context,
                    None if context is None else question,
                    fresh=arguments.fresh,
                    origin=origin,
                    live=live,
                )
        except RLMError as error:
            raise told_briefly(error) from None
        finally:
            journal.enabled = True
        if arguments.out is not None:
            self._shell.user_ns[arguments.out] = completion
        return completion

    def _context(self, expressions: list[str] | None) -> Any:
        """Return the context: the value of the expression, of several a dict of them."""
        if not expressions:
            return None
        values = {expression: self._evaluate(expression) for expression in expressions}
        return next(iter(values.values())) if len(values) == 1 else values

    def _evaluate(self, expression: str) -> Any:
        try:
            return self._shell.ev(expression)
        except NameError as error:
            msg = f"--context {expression}: {error}. Run the cell that defines it first."
            raise UsageError(msg) from None
        except SyntaxError:
            msg = f"--context {expression} is no Python expression. Put one with spaces in quotation marks."
            raise UsageError(msg) from None
