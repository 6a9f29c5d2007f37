"""What the kernel tells a Jupyter server, and what it does when the server answers, or does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from ipykernel._version import version_info
from live_kernel import LiveKernel
from nbclient import NotebookClient
from scripted_server import Reply, ScriptedServer
from scripts import code, says
from server_part import ServerPart
from stage import Stage

from rlm_jupyter.magics import link_comm, publisher, server_link
from rlm_jupyter.trace import wire
from rlm_jupyter.trace.schema import CodeEnd, Event, SpanEnd, SpanStart
from rlm_jupyter.trace.trace import Trace

MANY = "llm_query_batched([f'prompt {i}' for i in range(500)])"


@pytest.fixture
def part(stage: Stage) -> Iterator[ServerPart]:
    """The server's part, from a new loading of the extension on."""
    with ServerPart(stage.kernel) as part:
        stage.kernel.ok("%unload_ext rlm_jupyter")
        stage.kernel.ok("%load_ext rlm_jupyter")
        part.hello()
        part.messages = part.messages[-1:]
        yield part


def numbers(events: list[Event]) -> list[int]:
    return [event.seq for event in events]


def test_the_names_are_the_wires() -> None:
    assert link_comm.TARGET == wire.TARGET
    assert server_link._PROTOCOL == wire.PROTOCOL_VERSION
    assert publisher.EVENT_LIMIT + publisher.LARGEST_BATCH < wire.MESSAGE_LIMIT


def test_the_greeting(stage: Stage, part: ServerPart) -> None:
    opened = part.messages[0]
    assert opened["msg_type"] == "comm_open"
    assert opened["content"]["target_name"] == wire.TARGET
    assert opened["parent_header"] == {}
    assert f"comm-{part.comm_id}".encode().startswith(wire.TOPIC)
    hello = wire.from_kernel.validate_python(part.data(opened))
    assert isinstance(hello, wire.Hello)
    assert hello.reach == ("subshell" if version_info >= (7, 4) else "control")


def test_loading_prints_nothing_and_unloading_puts_everything_back(stage: Stage, part: ServerPart) -> None:
    comms = "list(get_ipython().kernel.comm_manager.comms)"
    threads = "[t.name for t in __import__('threading').enumerate() if 'publisher' in t.name]"
    observers = "len(__import__('rlm_jupyter.observers').observers.observers)"
    handlers = "sorted(get_ipython().kernel.control_handlers)"
    stage.script = says("FINAL(ok)")
    stage.kernel.ok("%rlm Go.")
    part.run("Go.")
    assert stage.kernel.value(comms) == [part.comm_id]
    assert stage.kernel.value(threads) == ["rlm-jupyter-publisher"]
    loaded = stage.kernel.value(handlers)
    assert stage.kernel.ok("%unload_ext rlm_jupyter").types == ["status", "execute_input", "status"]
    assert [stage.kernel.value(each) for each in (comms, threads, observers)] == [[], [], 0]
    assert [name for name in loaded if name != "comm_msg"] == stage.kernel.value(handlers)
    part.listen(lambda: part.messages[-1]["msg_type"] == "comm_close")
    assert stage.kernel.ok("%load_ext rlm_jupyter").types == ["status", "execute_input", "status"]
    part.hello()
    stage.kernel.ok("%rlm Once more.")
    part.run("Once more.")


def test_a_flood_is_published_in_order_at_no_more_than_twenty_messages_a_second(stage: Stage, part: ServerPart) -> None:
    stage.script = says(code(MANY), "FINAL(done)", sub=Reply("a reply", delay=0.02))
    stage.kernel.ok("%rlm Ask five hundred.", timeout=90)
    events = part.run("Ask five hundred.")
    assert len(events) > 3 * 500
    assert numbers(events) == list(range(len(events)))
    times = part.times("events")
    assert len(times) > 5
    for index, began in enumerate(times):
        # Messages are dated by the wall clock, which may run a little slower than the one that the pauses go by.
        assert sum(began <= each < began + 0.95 for each in times[index:]) <= 20
    trace = Trace(events)
    assert trace.status == "ok"
    assert len(trace.subcalls) == 500
    assert trace.run.session_id


def test_messages_belong_to_no_cell(stage: Stage, part: ServerPart) -> None:
    stage.script = says(code("llm_query('x')", "print('so')"), "FINAL(done)")
    executed = stage.kernel.ok("%rlm Whose is this?")
    part.run("Whose is this?")
    assert not [kind for kind in executed.types if kind.startswith("comm")]
    assert all(message["parent_header"] == {} and message["metadata"] == {} for message in part.messages)


def test_a_front_end_that_closes_the_comm_stops_nothing(stage: Stage, part: ServerPart) -> None:
    stage.script = says(code("llm_query('x')"), "FINAL(done)")
    for number in range(3):
        part.say({}, msg_type="comm_close", channel="shell")
        stage.kernel.ok(f"%rlm Number {number}")
        part.run(f"Number {number}")
    part.welcome(notebook="still/heard.ipynb")
    part.listen(lambda: "still/heard.ipynb" in stage.kernel.ok("%rlm status").text)
    assert stage.kernel.value("len(get_ipython().kernel.comm_manager.comms)") == 1
    stage.kernel.ok("%unload_ext rlm_jupyter")
    assert stage.kernel.value("len(get_ipython().kernel.comm_manager.comms)") == 0
    stage.kernel.ok("%load_ext rlm_jupyter")


def test_a_kernel_that_hears_something_while_its_cell_runs_says_that_it_is_still_busy(
    stage: Stage, part: ServerPart, tmp_path: Path
) -> None:
    over = tmp_path / "over"
    wait = f"import pathlib, time\nwhile not pathlib.Path({str(over)!r}).exists(): time.sleep(0.005)"
    cell = stage.kernel.send(wait)

    def status() -> str:
        while True:
            message = stage.kernel.client.get_iopub_msg(timeout=30)
            if message["msg_type"] == "status" and message["parent_header"].get("msg_id") == cell:
                return str(message["content"]["execution_state"])

    assert status() == "busy"
    part.say({"type": "notebook", "path": "elsewhere.ipynb"})
    assert status() == "busy"
    over.touch()
    assert stage.kernel.finish(cell).status == "ok"


def test_what_is_missing_is_sent_again(stage: Stage, part: ServerPart) -> None:
    stage.script = says(code("llm_query('x')"), "FINAL(done)")
    stage.kernel.ok("%rlm Say it again.")
    events = part.run("Say it again.")
    last = events[-1].seq
    run_id = events[0].run_id
    del part.messages[1:]
    part.say({"type": "missing", "run_id": "of nobody", "ranges": [(0, 10)]})
    part.say({"type": "missing", "run_id": run_id, "ranges": [(0, 2), (last - 1, last + 100), (-5, -1)]})
    part.listen(lambda: len(part.events) == 5)
    assert part.events == [*events[:3], *events[-2:]]


def test_what_is_missing_is_sent_again_while_the_run_goes_on(stage: Stage, part: ServerPart) -> None:
    stage.script = says(code("llm_query('x')"), Reply("FINAL(done)", delay=1.0))
    message_id = stage.kernel.send("%rlm Go on.")
    part.listen(lambda: any(isinstance(e, SpanEnd) and e.payload.kind == "code" for e in part.events))
    first = part.events[0]
    part.say({"type": "missing", "run_id": first.run_id, "ranges": [(0, 0)]})
    part.listen(lambda: part.events.count(first) == 2)
    assert stage.server.in_flight == 1
    stage.kernel.finish(message_id)
    part.listen(lambda: any(isinstance(e, SpanEnd) and e.payload.kind == "run" for e in part.events))


def test_runs_that_are_not_kept_are_not_published(stage: Stage, part: ServerPart) -> None:
    stage.script = says(code("llm_query('x')"), "FINAL(done)")
    stage.kernel.ok("%rlm --no-trace A confidential question")
    stage.kernel.ok("%config RLMMagics.trace = False")
    stage.kernel.ok("%rlm Another confidential question")
    stage.kernel.ok("%config RLMMagics.trace = True")
    told = stage.kernel.ok("%rlm --out kept A question for everybody").result["text/plain"]
    assert told == "done"
    part.run("A question for everybody")
    confidential = stage.kernel.value(
        "[t.run_id for t in __import__('rlm_jupyter.magics.rlm_magics').magics.rlm_magics.RLMMagics.of(get_ipython())"
        ".journal.traces]"
    )
    assert len(confidential) == 3
    for run_id in confidential[:2]:
        part.say({"type": "missing", "run_id": run_id, "ranges": [(0, 100)]})
    part.welcome(writes=True)
    stage.kernel.ok("%rlm Another for everybody")
    part.run("Another for everybody")
    own = [event for event in part.events if isinstance(event, SpanStart) and event.payload.kind == "run"]
    assert {event.run_id for event in part.events} == {event.run_id for event in own}
    assert "onfidential" not in part.published
    assert not {event.run_id for event in part.events} & set(confidential[:2])


def test_an_interrupt_in_the_middle_breaks_nothing(stage: Stage, part: ServerPart) -> None:
    swallowed = ["while True:", "    try:", f"        {MANY}", "    except BaseException:", "        break"]
    for number in range(3):
        stage.server.requests.clear()
        stage.script = says(code(*swallowed), sub=Reply("a reply", delay=0.05))
        message_id = stage.kernel.send(f"%rlm Interrupted {number}")
        stage.server.wait_for(40 + 20 * number)
        stage.kernel.interrupt()
        assert stage.kernel.finish(message_id).status == "error"
        events = part.run(f"Interrupted {number}")
        assert numbers(events) == list(range(len(events)))
        assert Trace(events).status == "interrupted"
    stage.server.wait_idle()
    stage.script = says("FINAL(still here)")
    stage.kernel.ok("%rlm And now?")
    part.run("And now?")


def test_large_outputs_come_in_messages_that_the_server_reads(stage: Stage, part: ServerPart) -> None:
    stage.script = says(
        code("from IPython.display import HTML, display"),
        code("print('a small one')", "for i in range(5): display(HTML(str(i) * 4_900_000))"),
        code("print('y' * 900_000)"),
        code("print('z' * 900_000)"),
        "FINAL(done)",
    )
    stage.kernel.ok("%rlm Show a lot.", timeout=90)
    events = part.run("Show a lot.")
    assert numbers(events) == list(range(len(events)))
    sizes = [len(json.dumps(part.data(message))) for message in part.messages]
    assert max(sizes) < wire.MESSAGE_LIMIT
    ends = [event.payload for event in events if isinstance(event, SpanEnd) and isinstance(event.payload, CodeEnd)]
    large = str(ends[1].outputs)
    assert "a small one" in large
    assert "left out of what the Jupyter server keeps" in large
    assert len(large) <= publisher.EVENT_LIMIT
    assert "y" * 900_000 in str(ends[2].outputs)
    for message, size in zip(part.messages, sizes, strict=True):
        assert size <= publisher.LARGEST_BATCH or len(part.data(message)["events"]) == 1


def test_matplotlib_shows_no_figure_when_the_server_speaks(stage: Stage, part: ServerPart) -> None:
    figure = "import matplotlib.pyplot as plt\nplt.plot([1, 2])"
    message_id = stage.kernel.send(
        f"%matplotlib inline\n{figure}\nlink = get_ipython().magics_manager.registry['RLMMagics'].link\n"
        "import time\nbegan = time.monotonic()\n"
        "while link.notebook != 'told.ipynb' and time.monotonic() < began + 30: time.sleep(0.01)\nprint('heard')"
    )
    part.welcome(notebook="told.ipynb")
    executed = stage.kernel.finish(message_id)
    assert executed.status == "ok", executed.traceback
    assert executed.types.index("stream") < executed.types.index("display_data")
    assert executed.types.count("display_data") == 1
    stage.kernel.ok("plt.close('all')")


def test_a_cell_that_forks_publishes_once(stage: Stage, part: ServerPart) -> None:
    asked = "RLM(backend_kwargs={'model_name': 'm'}).completion"
    stage.script = says("FINAL(ok)")
    stage.kernel.ok(
        f"""
import os, warnings
from rlm_jupyter import RLM
warnings.simplefilter("ignore")
child = os.fork()
if child == 0:
    from rlm_jupyter.observers import observers
    from rlm_jupyter.trace.recorder import Recorder
    from rlm_jupyter.trace.redaction import Redactor
    from rlm_jupyter.trace.schema import RunEnd, RunStart
    recorder = Recorder(Redactor(), observers[1:])
    begin = RunStart(question="of the child", model="m", backend="b", environment="local", max_iterations=1)
    recorder.end(recorder.start(begin), RunEnd(answer="ok"))
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
{asked}("of the parent")
"""
    )
    part.run("of the parent")
    assert "of the child" not in part.published


def test_what_waits_at_the_end_of_the_kernel_is_sent(tmp_path: Path) -> None:
    script = says(code(MANY), "FINAL(done)", sub="a reply")
    with ScriptedServer(script) as server:
        env = {"OPENAI_API_KEY": "for-the-scripted-server", "OPENAI_BASE_URL": server.base_url}
        with LiveKernel(env, cwd=str(tmp_path)) as kernel, ServerPart(kernel) as part:
            kernel.client.execute("%rlm Go.\nexit")
            kernel.client.shutdown()
            events = part.run("Go.")
    assert numbers(events) == list(range(len(events)))


def test_no_secret_is_published(tmp_path: Path) -> None:
    key, token = "for-the-scripted-server-4711", "correct-horse-battery"
    script = says(
        code("import os", "print(dict(os.environ))", "llm_query('The key is ' + os.environ['OPENAI_API_KEY'])"),
        f"FINAL(The key is {key}, the token {token})",
        sub=f"{token} and sk-proj-{'Ab3' * 14}",
    )
    with ScriptedServer(script) as server:
        env = {"OPENAI_API_KEY": key, "OPENAI_BASE_URL": server.base_url, "SERVICE_TOKEN": token}
        with LiveKernel(env, cwd=str(tmp_path), extension=False) as kernel, ServerPart(kernel) as part:
            kernel.ok("%load_ext rlm_jupyter")
            part.hello()
            kernel.ok("%config RLMMagics.environment_kwargs = {'setup_code': 'password = 1', 'api_key': 'hidden-4712'}")
            kernel.run("%rlm --env local Tell me.")
            kernel.ok("%config RLMMagics.environment_kwargs = {}")
            kernel.ok(f"%config RLMMagics.base_url = 'http://user:{token}@127.0.0.1:1/v1'")
            kernel.run("%rlm --base-url " + server.base_url + " What is it?")
            part.run("What is it?")
            said = part.published
    assert "[redacted" in said
    for secret in (key, token, "hidden-4712", "Ab3" * 14):
        assert secret not in said


def test_the_notebooks_settings_are_told(stage: Stage, part: ServerPart) -> None:
    stage.script = says("FINAL(ok)")
    stage.kernel.ok("%config RLMMagics.max_iterations = 7\n%config RLMMagics.quiet = True")
    stage.kernel.ok("%rlm --max-tokens 100000 With settings")
    stage.kernel.ok("%config RLMMagics.max_iterations = 30\n%config RLMMagics.quiet = False")
    stage.kernel.ok("%rlm Without settings")
    assert Trace(part.run("With settings")).run.settings == {"max_iterations": 7}
    assert Trace(part.run("Without settings")).run.settings == {}


# Who writes the trace notebook


def test_the_server_writes_in_the_kernels_place(stage: Stage, part: ServerPart) -> None:
    stage.script = says("FINAL(ok)")
    stage.trace.unlink(missing_ok=True)
    part.welcome(notebook="folder/analysis.ipynb", writes=True)
    part.listen(lambda: "folder/analysis.ipynb" in stage.kernel.ok("%rlm status").text)
    stage.kernel.ok("%rlm The server's to write")
    events = part.run("The server's to write")
    assert not stage.trace.exists()
    assert "has not said yet" in stage.kernel.ok("%rlm status").text
    part.say({"type": "stored", "run_id": events[0].run_id, "events": len(events)})
    part.listen(lambda: "has not said yet" not in stage.kernel.ok("%rlm status").text)
    assert "keeps this notebook's sessions and writes its traces" in stage.kernel.ok("%rlm status").text
    part.say({"type": "notebook", "path": "folder/renamed.ipynb"})
    part.listen(lambda: "folder/renamed.ipynb" in stage.kernel.ok("%rlm status").text)
    stage.kernel.ok("%unload_ext rlm_jupyter")
    assert not stage.trace.exists()
    stage.kernel.ok("%load_ext rlm_jupyter")


@pytest.mark.parametrize(
    ("path", "problem", "shown"),
    [
        ("folder/analysis.trace.ipynb", None, "the server writes them to folder/analysis.trace.ipynb"),
        ("a.trace.ipynb", "the disk is full", "the server cannot write the trace: the disk is full"),
        (None, "this is a trace notebook", "none is written: this is a trace notebook"),
    ],
)
def test_the_status_says_where_the_server_writes(
    stage: Stage, part: ServerPart, path: str | None, problem: str | None, shown: str
) -> None:
    stage.script = says("FINAL(ok)")
    part.welcome(notebook="folder/analysis.ipynb", writes=True)
    part.listen(lambda: "folder/analysis.ipynb" in stage.kernel.ok("%rlm status").text)
    stage.kernel.ok("%rlm The server's to write")
    events = part.run("The server's to write")
    part.say({"type": "stored", "run_id": events[0].run_id, "events": len(events)})
    part.say({"type": "written", "path": path, "problem": problem})
    part.listen(lambda: shown in stage.kernel.ok("%rlm status").text)
    assert ", none written" not in stage.kernel.ok("%rlm status").text


def test_the_kernel_writes_what_the_server_does_not_say_it_stored(stage: Stage, part: ServerPart) -> None:
    stage.script = says("FINAL(ok)")
    stage.trace.unlink(missing_ok=True)
    part.welcome(notebook="analysis.ipynb", writes=True)
    part.listen(lambda: "analysis.ipynb" in stage.kernel.ok("%rlm status").text)
    stage.kernel.ok("%rlm That nobody stores")
    part.run("That nobody stores")
    assert not stage.trace.exists()
    part.listen(stage.trace.exists)
    assert "That nobody stores" in stage.trace.read_text()


def test_a_server_that_was_away_gets_the_run_when_it_is_back(stage: Stage, part: ServerPart) -> None:
    stage.script = says("FINAL(ok)")
    part.welcome(writes=True)
    part.listen(lambda: "writes its traces" in stage.kernel.ok("%rlm status").text)
    stage.kernel.ok("%rlm That nobody hears")
    events = part.run("That nobody hears")
    del part.messages[1:]
    part.hello()
    part.welcome(writes=True)
    assert part.run("That nobody hears") == events
    part.say({"type": "stored", "run_id": events[0].run_id, "events": len(events)})
    part.listen(lambda: "has not said yet" not in stage.kernel.ok("%rlm status").text)


def test_what_no_server_stored_is_written_when_the_extension_goes(stage: Stage, part: ServerPart) -> None:
    stage.script = says("FINAL(ok)")
    stage.trace.unlink(missing_ok=True)
    part.welcome(writes=True)
    stage.kernel.ok("%rlm Left behind")
    part.run("Left behind")
    stage.kernel.ok("%unload_ext rlm_jupyter")
    assert "Left behind" in stage.trace.read_text()
    stage.kernel.ok("%load_ext rlm_jupyter")


def test_a_server_that_comes_later_gets_what_was_said_before(stage: Stage, part: ServerPart) -> None:
    stage.script = says(code("llm_query('x')"), "FINAL(ok)")
    stage.kernel.ok("%rlm Before there was a server")
    before = part.run("Before there was a server")
    del part.messages[1:]
    part.say({"type": "introduce"})
    hello = part.hello()
    assert hello["load_id"] != part.of("hello")[0]["load_id"]
    assert part.messages[-1]["msg_type"] == "comm_msg"
    part.welcome(writes=True)
    assert part.run("Before there was a server") == before


def test_an_unknown_notebook_is_no_matter_where_the_server_writes(tmp_path: Path) -> None:
    with ScriptedServer(says("FINAL(ok)")) as server:
        env = {"OPENAI_API_KEY": "for-the-scripted-server", "OPENAI_BASE_URL": server.base_url}
        with LiveKernel(env, cwd=str(tmp_path), extension=False) as kernel, ServerPart(kernel) as part:
            kernel.ok("%load_ext rlm_jupyter")
            part.hello()
            part.welcome(notebook="Untitled.ipynb", writes=True)
            part.listen(lambda: "Untitled.ipynb" in kernel.ok("%rlm status").text)
            assert "No trace notebook is written" not in str(kernel.ok("%rlm Go.").messages)


def test_a_notebook_that_is_run_by_a_program_looks_as_it_did(tmp_path: Path) -> None:
    cells = ["%load_ext rlm_jupyter", "%rlm --quiet Go.", "1 + 1"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    client = NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}, store_widget_state=True)
    env = {"RLM_JUPYTER_MODEL": "offline"}
    with client.setup_kernel(env={**_environment(), **env}):
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
    assert "widgets" not in notebook.metadata
    assert [[output["output_type"] for output in cell.outputs] for cell in notebook.cells] == [
        [],
        ["execute_result"],
        ["execute_result"],
    ]
    nbformat.validate(notebook)


def _environment() -> dict[str, str]:
    import os

    return {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "JPY_"))}
