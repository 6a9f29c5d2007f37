"""The magics themselves: options in, a result out."""

from __future__ import annotations

import os
import threading
from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from IPython.core.error import UsageError
from IPython.core.magic import line_cell_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import MagicArgumentParser, argument, magic_arguments

from rlm_jupyter.core.errors import InterruptedRun, RLMError

from .bound import BoundNames
from .defaults import SYNC, Defaults
from .notebook_path import cell_id, notebook_path, vanished_notebook
from .options import parse_options, split_line

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from rlm_jupyter.core.results import RLMChatCompletion
    from rlm_jupyter.core.steering import Reviewer
    from rlm_jupyter.runs.settings import Origin
    from rlm_jupyter.trace.schema import Event
    from rlm_jupyter.trace.trace import Trace

    from .conversation import Ask, Asker, Conversations
    from .journal import Journal
    from .live import LiveDisplay
    from .server_link import ServerLink

__all__ = ["RLMMagics"]


@magics_class
class RLMMagics(Defaults):
    """Defaults of ``%rlm`` and ``%%rlm``. Set them with ``%config RLMMagics.model = "..."`` or in ipython_config.py."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._shell = shell
        self._conversations: Conversations | None = None
        self._journal: Journal | None = None
        self._making = threading.Lock()
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
    @argument("--sync", choices=SYNC, help="What is shared with the notebook.")
    @argument("--model", metavar="NAME", help="The model to ask.")
    @argument("--sub-model", metavar="NAME", help="The model that calls below the root go to.")
    @argument("--backend", metavar="NAME", help="The client to ask it through.")
    @argument("--base-url", metavar="URL", help="The address of an OpenAI-compatible server.")
    @argument("--env", metavar="NAME", help="Where model code runs.")
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
        from .commands import find_command

        command = find_command(options, rest, parser)
        if command is not None:
            return command(self)
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
        with self._making:  # many runs may begin at the same time, in as many threads
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
            record_limit=self.record_limit,
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

        from .conversation import Asker
        from .expressions import context_of, expression_of, response_model_of
        from .session_settings import session_settings

        if not question.strip():
            msg = "The question is empty: write it in the cell below %%rlm."
            raise UsageError(msg)
        # Whether there is a context cannot be told by its value: None is one.
        asked = (context_of(self._shell, arguments.context), question) if arguments.context else (question, None)
        response_model = response_model_of(self._shell, arguments.response_model)
        notebook = self.find_notebook()
        origin = Origin(
            notebook=str(notebook) if notebook else None,
            cell_id=cell_id(self._shell),
            settings=session_settings(self),
            expression=expression_of(arguments.context) if arguments.context else None,
        )
        asker = Asker(origin.cell_id, question, repr(arguments) if origin.cell_id is None else "")
        return self._answered(arguments, asked, origin, response_model=response_model, asker=asker)

    def go_on(self, trace: Trace, context: Any, arguments: Namespace, *, fresh: bool = False) -> RLMChatCompletion:
        """Go on with a run that was cut, shown like a question that is asked; with ``fresh`` it is of no session."""
        from dataclasses import replace

        from rlm_jupyter.runs.cut_runs import origin_of

        from .expressions import context_of, expression_of, response_model_of

        notebook = self.find_notebook()
        path = str(notebook) if notebook else None
        origin = replace(origin_of(trace), notebook=path, cell_id=cell_id(self._shell))
        given = parse_options("", cast(MagicArgumentParser, type(self).rlm.parser))
        vars(given).update(vars(arguments), fresh=fresh)
        if given.context:
            context = context_of(self._shell, given.context)
            origin = replace(origin, expression=expression_of(given.context))
        response_model = response_model_of(self._shell, given.response_model)
        return self._answered(given, (context, None), origin, response_model=response_model, resumes=trace)

    def _answered(
        self,
        arguments: Namespace,
        asked: tuple[Any, str | None],
        origin: Origin,
        *,
        response_model: Any = None,
        asker: Asker | None = None,
        resumes: Trace | None = None,
    ) -> RLMChatCompletion:
        """Ask with what the options say, and show it while it is answered."""
        from .conversation import Onlookers
        from .live import LiveDisplay

        if arguments.out is not None and not arguments.out.isidentifier():
            msg = f"--out takes the name of a variable, and {arguments.out!r} cannot be one."
            raise UsageError(msg)
        notebook = self.find_notebook()
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
            damage = resumes.damage if resumes is not None else None
            lacks = f"{damage} What is not in the recording is asked again." if damage else None
            for line in (notice, lacks, self._no_trace_notebook(notebook, wanted=traced and shown)):
                if line:
                    live.note(line)
            listeners = [self.journal.leave_out] if arguments.no_trace else []
            onlookers = Onlookers(live, listeners, reviewer, live.note if shown else None)
            told: dict[str, Any] = {"fresh": arguments.fresh, "origin": origin, "onlookers": onlookers}
            if resumes is not None:
                completion = self.conversations.go_on(ask, resumes, asked[0], response_model=response_model, **told)
            else:
                completion = self.conversations.ask(ask, *asked, response_model=response_model, asker=asker, **told)
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
        """Return a line that says why no trace notebook is written, the first time it is wanted after there was one."""
        told = self._told_of_no_notebook
        says = notebook is None and wanted and not told and not self._server_writes()
        self._told_of_no_notebook = notebook is None and (told or says)
        if not says:
            return None
        vanished = vanished_notebook(self._shell.user_ns, os.environ)
        why = f"{vanished} is not there any more" if vanished else "which notebook this is, the kernel does not know"
        return f'No trace notebook is written: {why}. Tell it: %config RLMMagics.notebook = "name.ipynb"'
