"""``jupyter rlm run``: a run with no notebook."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from jupyter_core.application import base_aliases, base_flags
from traitlets import Bool, Dict, Enum, Float, Integer, List, Unicode

from rlm_jupyter.core.errors import ConfigurationError, InterruptedRun, RLMError

from .command import FAILED, INTERRUPTED, Command, say, tell
from .contexts import STDIN, ContextError, context_of
from .live_text import LiveText

if TYPE_CHECKING:
    from typing import TextIO

    from rlm_jupyter.core.results import RLMChatCompletion
    from rlm_jupyter.rlm import RLM
    from rlm_jupyter.trace.trace import Trace

__all__ = ["RunApp"]

_LIMITS = {"timeout": "max_timeout", "budget": "max_budget", "max_tokens": "max_tokens"}
_ASKED = ("model", "backend", "base_url", "sub_model", "environment", "max_depth")
"""Who is asked, and how: what a run is to go on with."""

_NO_WORD = re.compile(r"[^0-9a-z]+")


class RunApp(Command):
    """Answers a question."""

    name = "jupyter-rlm-run"
    description = (
        "Answer a question about files, with no notebook: jupyter rlm run QUESTION --context PATH ... The steps go to "
        "the terminal (stderr) as they come, the answer alone to stdout, and the trace into a file. The model's code "
        "is executed on this machine, as you. Exits with 0 when there is an answer, 1 when the run failed, 2 when it "
        "could not begin, 130 when it was interrupted."
    )
    runs_code = True
    examples = """
        jupyter rlm run "Which contract ends first?" --context contracts/ --model=gpt-5-mini
        git log | jupyter rlm run "Who works on the parser?" --context=- --model=ollama:qwen3:8b
        jupyter rlm run --resume=which-contract-ends-first-2026-02-03_10-11-12.rlm.jsonl
    """
    context = List(
        Unicode(),
        config=True,
        help="A file, a folder, or - for the standard input; may be given several times, and with several paths.",
    )
    model = Unicode("", config=True, help="The model, as %%rlm takes it: gpt-5-mini, ollama:qwen3:8b, offline.")
    backend = Unicode(
        "",
        config=True,
        help="The backend that it is asked through, such as openai or ollama; the reference of settings lists all.",
    )
    base_url = Unicode("", config=True, help="The address of the model's server.")
    sub_model = Unicode("", config=True, help="The model that answers the calls of model code; else the same one.")
    environment = Unicode("local", config=True, help="Where code runs: local, or ipython.")
    environment_kwargs = Dict(config=True, help="The arguments of the environment, such as kernel_mode=subprocess.")
    max_iterations = Integer(30, config=True, help="How many replies the model may give.")
    max_depth = Integer(
        1, config=True, help="How many levels of runs there are; from 2 on, rlm_query starts child runs."
    )
    timeout = Float(0.0, config=True, help="Seconds that the run may take; 0: as long as it does.")
    budget = Float(0.0, config=True, help="US dollars that the run may cost; 0: whatever it does.")
    max_tokens = Integer(0, config=True, help="Tokens in and out that the run may use; 0: as many as it does.")
    record_limit = Integer(
        200_000,
        config=True,
        help="How many characters of values the trace holds in full, so that it can be replayed without them; 0: none.",
    )
    cache = Bool(False, config=True, help="Whether replies that were paid for are kept, and not asked for again.")
    trace = Unicode(
        "", config=True, help="The file of the trace; without it, one in this folder, named by the question."
    )
    keep_trace = Bool(True, config=True, help="Whether the trace is written.")
    resume = Unicode("", config=True, help="The trace of a run that was cut, which goes on in place of a new one.")
    progress = Enum(("steps", "text", "none", ""), "", config=True, help="What goes to the terminal: by default text.")

    aliases: dict[Any, Any] = {
        **base_aliases,
        **{name.replace("_", "-"): f"RunApp.{name}" for name in (
            "context", "model", "backend", "base_url", "sub_model", "max_iterations", "max_depth", "timeout", "budget",
            "max_tokens", "record_limit", "trace", "resume", "progress",
        )},
        ("env", "environment"): "RunApp.environment",
        "env-arg": "RunApp.environment_kwargs",
    }  # fmt: skip
    flags: dict[Any, Any] = {
        **base_flags,
        "no-trace": ({"RunApp": {"keep_trace": False}}, "Write no trace."),
        "quiet": ({"RunApp": {"progress": "none"}}, "Write the answer, and nothing else but errors."),
        "cache": ({"RunApp": {"cache": True}}, "Keep replies that were paid for, and ask for none of them again."),
    }

    def work(self) -> None:
        """Answer the question, and exit with what came of it."""
        question, paths = self._asked()
        context: dict[str, Any] = {}
        try:
            if paths:
                context["context"] = context_of(paths)
            cut = self._cut_run() if self.resume else None
            rlm = self._rlm(cut)
        except (ConfigurationError, ContextError) as error:
            self.misused(str(error))
        trace = self._trace_file(cut.run.question if cut is not None else question)
        try:
            with rlm:
                self._follow(rlm, trace)
                done = self._answered(rlm, question, context, cut)
        except InterruptedRun as error:
            self._ended(error.partial_answer, "The run was interrupted.", trace, paths, rlm)
            sys.exit(INTERRUPTED)
        except ConfigurationError as error:
            _drop_empty(trace)
            self.misused(str(error))
        except RLMError as error:
            self._ended(error.partial_answer, f"{type(error).__name__}: {error}", trace, paths, rlm)
            sys.exit(FAILED)
        except (ValueError, OSError) as error:
            _drop_empty(trace)
            self.failed(error)
        tell(f"{done.response}\n")
        if trace is not None and self.progress != "none":
            say(f"The trace: {trace}")

    def _asked(self) -> tuple[str, list[str]]:
        """Return the question and the paths of the contexts."""
        if self.resume:
            more = list(self.extra_args)
            if stray := [each for each in more if not (self.context and (each == STDIN or _is_there(each)))]:
                self.misused(
                    f"A run that goes on has its question: leave {stray[0]!r} out. Files are named with --context."
                )
            return "", [*self.context, *more]
        if not self.extra_args:
            self.misused("Which question? Give it in quotes, before --context.")
        question, *more = self.extra_args
        if more and not self.context:
            self.misused(
                f"One question is wanted, in quotes, and not also {more[0]!r}. Files are named with --context."
            )
        if self.context and _is_there(question):
            self.misused(f"{question!r} is a file: give the question first, in quotes, and then --context.")
        paths = [*self.context, *more]
        if not question.strip():
            self.misused("The question is empty.")
        return question, paths

    def _cut_run(self) -> Trace:
        """Return the run that goes on; raises ``ConfigurationError``."""
        from rlm_jupyter.runs.cut_runs import cut_run

        try:
            return cut_run(Path(self.resume))
        except (OSError, ValueError) as error:
            why = f"{self.resume} cannot be opened: {error.strerror}." if isinstance(error, OSError) else str(error)
            raise ConfigurationError(why) from error

    def _rlm(self, cut: Trace | None) -> RLM:
        """Return who answers: who is named; else whom a run that goes on had asked, or who is found."""
        from rlm_jupyter.clients.choice import choose, choose_below
        from rlm_jupyter.rlm import RLM

        if cut is None or self.model or self.backend or self.base_url:
            choice = choose(self.model or None, self.backend or None, self.base_url or None)
        else:
            choice = choose(cut.run.model, cut.run.backend)
        if choice.notice and self.progress != "none":
            say(choice.notice)
        below = choose_below(self.sub_model, choice) if self.sub_model else None
        limits = {name: getattr(self, option) for option, name in _LIMITS.items() if getattr(self, option)}
        return RLM(
            choice.backend,
            choice.backend_kwargs,
            self.environment,
            dict(self.environment_kwargs),
            max_depth=self.max_depth,
            max_iterations=self.max_iterations,
            other_backends=[below.backend] if below is not None else None,
            other_backend_kwargs=[below.backend_kwargs] if below is not None else None,
            cache=self.cache or None,
            record_limit=self.record_limit,
            **limits,
        )

    def _answered(self, rlm: RLM, question: str, context: dict[str, Any], cut: Trace | None) -> RLMChatCompletion:
        if cut is not None:
            return rlm.resume(cut, **context)
        if not context:
            return rlm.completion(question)
        return rlm.completion(context["context"], root_prompt=question)

    def _follow(self, rlm: RLM, trace: Path | None) -> None:
        """Have the run told to the terminal and to its file."""
        from rlm_jupyter.trace.files.jsonl import JSONLFile
        from rlm_jupyter.trace.verbose import VerbosePrinter

        if trace is not None:
            rlm.listeners.append(JSONLFile(trace))
        progress = self.progress or ("text" if sys.stderr.isatty() else "steps")
        if progress == "none":
            return
        live = LiveText(sys.stderr)
        rlm.listeners.append(VerbosePrinter(cast("TextIO", live), answer=False))
        if progress == "text":
            rlm.on_text = cast(Callable[[str | None], None], live)

    def _trace_file(self, question: str) -> Path | None:
        """Return the file of the trace, which is made now and was not there before."""
        if not self.keep_trace:
            return None
        path = Path(self.trace).expanduser() if self.trace else Path(f"{_slug(question)}-{_now()}.rlm.jsonl")
        for number in itertools.count(2):
            try:
                path.touch(mode=0o600, exist_ok=False)
            except FileExistsError:
                if self.trace or number > 100:
                    self.misused(f"{path} is there already, and is not written over: --trace=... names another file.")
                path = Path(f"{_slug(question)}-{_now()}-{number}.rlm.jsonl")
            except OSError as error:
                self.misused(
                    f"The trace {path} cannot be written: {error.strerror or error}. --trace=... names another."
                )
            else:
                break
        return path

    def _ended(self, partial: str | None, why: str, trace: Path | None, paths: list[str], rlm: RLM) -> None:
        """Say why there is no answer, what there was of one, and how it goes on."""
        say(rlm.redactor.redact(why))
        if partial:
            say(f"The answer so far:\n{partial}")
        if trace is None or _drop_empty(trace):
            return
        options = [f"--context={path}" for path in paths if path != STDIN]
        asked = {name: getattr(self, name) for name in _ASKED}
        options += [
            f"--{name.replace('_', '-')}={value}" for name, value in asked.items() if value != self.trait_defaults(name)
        ]
        for name, value in self.environment_kwargs.items():
            options += ["--env-arg", f"{name}={value}"]
        again = shlex.join(["jupyter", "rlm", "run", f"--resume={trace}", *options])
        say(f"The trace: {trace}")
        say(f"To go on from there: {rlm.redactor.redact(again)}")


def _is_there(path: str) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - of a question that is longer than a name may be, Path.exists raises


def _drop_empty(trace: Path | None) -> bool:
    """Delete a trace of nothing, and return whether it was one."""
    if trace is None or trace.stat().st_size:
        return False
    trace.unlink()
    return True


def _slug(question: str) -> str:
    words = _NO_WORD.sub("-", question.lower()).strip("-")
    return words[:40].rstrip("-") or "rlm"


def _now() -> str:
    return datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")
