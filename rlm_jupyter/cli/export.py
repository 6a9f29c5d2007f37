"""``jupyter rlm trace export``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from traitlets import Bool, List, Unicode

from rlm_jupyter.trace.artifacts.formats import FORMATS, Format
from rlm_jupyter.trace.artifacts.new_file import write_new

from .command import say, tell
from .trace_command import TraceCommand

__all__ = ["ExportApp"]

_LIST = "\n".join(f"    {form.name:<11} {form.extension:<17} {form.summary}" for form in FORMATS.values())
_STEMS = (".gz", ".jsonl", ".ipynb", ".trace", ".rlm")


class ExportApp(TraceCommand):
    """Writes a run in another format."""

    name = "jupyter-rlm-trace-export"
    description = f"Write a run of a file in another format.\n\nThe formats:\n{_LIST}"
    examples = """
        jupyter rlm trace export run.jsonl --format=html
        jupyter rlm trace export analysis.trace.ipynb --run=2 --format=markdown --out=-
    """
    wanted_format = Unicode("", config=True, help="The format, by its name; without it the end of --out says which.")
    out = Unicode(
        "", config=True, help="Where to: a file, or - for the terminal. Without it, beside nothing: in this folder."
    )
    force = Bool(False, config=True, help="Whether a file that is there already is written over.")
    options = List(
        Unicode(),
        config=True,
        help="An option of the format, as name=true or name=false; may be given several times.",
    )
    aliases: dict[Any, Any] = {
        **TraceCommand.aliases,
        "format": "ExportApp.wanted_format",
        "out": "ExportApp.out",
        "option": "ExportApp.options",
    }
    flags: dict[Any, Any] = {
        **TraceCommand.flags,
        "force": ({"ExportApp": {"force": True}}, "Write over a file that is there already."),
    }

    def work(self) -> None:
        """Write the file, and say which."""
        (name,) = self.files()
        form = self._form()
        options = self._options(form)
        trace = self.chosen(name)
        try:
            text = form.export(trace, **options)
            left_out = form.left_out(trace, **options)
        except ValueError as error:
            self.failed(error)
        if left_out:
            say(left_out)
        if self.out == "-":
            tell(text)
            return
        path = Path(self.out or f"{_stem(name)}{form.extension}")
        try:
            # An export is read by nobody who may not read the trace.
            write_new(path, text, overwrite=self.force, mode=Path(name).stat().st_mode & 0o666)
        except FileExistsError:
            self.failed(f"{path} is there already; --force writes over it, --out=... names another file.")
        except OSError as error:
            self.failed(f"{path} cannot be written: {error.strerror or error}.")
        tell(f"{path}\n")

    def _form(self) -> Format:
        if self.wanted_format:
            if self.wanted_format not in FORMATS:
                self.misused(f"There is no format {self.wanted_format!r}. There are: {', '.join(FORMATS)}.")
            return FORMATS[self.wanted_format]
        fitting = [form for form in FORMATS.values() if self.out.endswith(form.extension)]
        if not fitting and (end := Path(self.out).suffix):
            named = [form for form in FORMATS.values() if form.extension.endswith(end)]
            fitting = named if len(named) == 1 else []
        if not fitting:
            self.misused(f"Which format? --format is one of: {', '.join(FORMATS)}.")
        return max(fitting, key=lambda form: len(form.extension))

    def _options(self, form: Format) -> dict[str, bool]:
        said = [each.partition("=") for each in self.options]
        if any(value not in ("", "true", "false") for _, _, value in said):
            self.misused("An option is name=true or name=false.")
        options = {name.replace("-", "_"): value != "false" for name, _, value in said}
        try:
            form.check(options)
        except ValueError as error:
            self.misused(str(error))
        return options


def _stem(name: str) -> str:
    """Return the name of a file of traces without its folder and what says that it is one."""
    stem = Path(name).name
    for end in _STEMS:
        stem = stem.removesuffix(end)
    return stem or "run"
