"""Runs that are under way at the same time, and the user's cells between their steps: nobody is in another's place."""

from __future__ import annotations

from typing import Any

import pytest
from live_kernel import Executed, LiveKernel

SETUP = """\
%reset -f
import asyncio, contextlib, io, threading
from model_code import Echo, arun_blocks, run_blocks
from rlm_jupyter import JupyterREPL

begun, gate = asyncio.Event(), asyncio.Event()

def offering(environment, **names):
    environment.offer(names)
    return environment

async def under_way(*blocks, **options):
    '''Start a run whose code says when it has begun, and have it wait at the gate.'''
    global task
    task = asyncio.create_task(arun_blocks(offering(JupyterREPL(**options), begun=begun, gate=gate), *blocks))
    await asyncio.wait([task, asyncio.ensure_future(begun.wait())], return_when=asyncio.FIRST_COMPLETED)

async def ended():
    gate.set()
    return await task
"""

WAITS = "begun.set()\nawait gate.wait()\n"
SHARED = "sync_from_user_ns=True, sync_to_user_ns=True"
OWN = {"status", "execute_input"}


@pytest.fixture
def kernel(bare_kernel: LiveKernel) -> LiveKernel:
    """The module's kernel, with what starts a run and holds it half-way."""
    bare_kernel.ok(SETUP)
    return bare_kernel


def under_way(kernel: LiveKernel, block: str, options: str = "") -> None:
    kernel.ok(f"await under_way({block!r}, {f'**dict({options})' if options else '**{}'})")
    assert kernel.value("begun.is_set() and not task.done()")


def ended(kernel: LiveKernel) -> tuple[str, str | None]:
    """Let the run go on to its end; return what its block printed, and its traceback."""
    kernel.ok("results = await ended()")
    told: list[Any] = kernel.value("[results[0].stdout, results[0].error and results[0].error.traceback]")
    return told[0].replace("\r\n", "\n"), told[1]


def test_runs_that_take_turns_leave_the_notebook_where_it_is(kernel: LiveKernel) -> None:
    """Each used to put the namespace back that it had found: at last, a private one of another run."""
    block = "!true\nname = 'model'\nawait asyncio.sleep(0.01 * delay)\n%time name = name + str(delay)\n!echo {name}"
    kernel.ok(
        "mine = 'the notebook'\n"
        "runs = [(0, 3), (1, 1), (2, 2)]\n"
        f"block = {block!r}\n"
        "results = await asyncio.gather(*(\n"
        "    arun_blocks(offering(JupyterREPL(), asyncio=asyncio, delay=delay), block) for _n, delay in runs))"
    )
    assert kernel.value("[r[0].stdout.splitlines()[-1] for r in results]") == ["model3", "model1", "model2"]
    assert kernel.value("[mine, get_ipython().user_ns is globals(), 'name' in globals()]") == [
        "the notebook",
        True,
        False,
    ]
    assert kernel.ok("mine").result["text/plain"] == "'the notebook'"


@pytest.mark.parametrize("options", ["", SHARED], ids=["private", "the user's"])
def test_the_users_next_cell_while_a_run_awaits(kernel: LiveKernel, options: str) -> None:
    under_way(kernel, f"!true\nmodels = 1\n{WAITS}!echo {{models}}\nprint(models)", options)
    number = kernel.ok("'a value'").reply["content"]["execution_count"]
    assert kernel.ok("users = 2\n%time again = users\n_").result["text/plain"] == "'a value'"
    assert kernel.ok("!echo {again}").stdout.strip() == "2"
    assert ended(kernel) == ("1\n1\n", None)
    assert kernel.value(f"[users, again, 'models' in globals(), Out[{number}]]") == [2, 2, bool(options), "a value"]


def test_the_history_is_the_users_whenever_the_user_looks(kernel: LiveKernel) -> None:
    kernel.ok("'mine'")
    under_way(kernel, f"for _ in (5, 6):\n    {WAITS.replace(chr(10), '; ')}\n    print(_)", SHARED)
    assert kernel.ok("_").result["text/plain"] == "'mine'"
    assert kernel.ok("'a later one'").result["text/plain"] == "'a later one'"
    assert ended(kernel) == ("5\n6\n", None)
    assert kernel.ok("_").result["text/plain"] == "'a later one'"


def test_a_redirection_holds_for_who_made_it(kernel: LiveKernel) -> None:
    redirects = "with contextlib.redirect_stdout(io.StringIO()) as b:\n    print('models')\n"
    code = f"import contextlib, io\n{redirects}    begun.set()\n    await gate.wait()\n    print('more')\nb.getvalue()"
    under_way(kernel, code)
    assert kernel.ok("print('users')").stdout == "users\n"
    kernel.ok(
        "with contextlib.redirect_stdout(io.StringIO()) as mine:\n"
        "    print('before')\n    results = await ended()\n    print('after')"
    )
    assert kernel.value("[mine.getvalue(), results[0].outputs[-1]['data']['text/plain']]") == [
        "before\nafter\n",
        r"'models\nmore\n'",
    ]
    assert kernel.ok("print('heard')").stdout == "heard\n"


def test_figures_are_shown_where_they_were_drawn(kernel: LiveKernel) -> None:
    kernel.ok("import matplotlib.pyplot as plt")
    under_way(kernel, f"import matplotlib.pyplot as plt\nplt.plot([1])\n{WAITS}print(plt.get_fignums())")
    users = kernel.ok("plt.plot([2]); _first = plt.get_fignums(); await asyncio.sleep(0); plt.plot([3]);")
    assert len(users.of("display_data")) == 1
    assert ended(kernel) == ("[1]\n", None)
    assert kernel.value("sum('image/png' in each.get('data', {}) for each in results[0].outputs)") == 1
    assert kernel.value("plt.get_fignums()") == []


def test_another_thread_is_refused(kernel: LiveKernel) -> None:
    kernel.ok(
        "mine, errors = 1, []\n"
        "def run():\n    try:\n        run_blocks(JupyterREPL(), '!true')\n"
        "    except Exception as error:\n        errors.append(error)\n"
        "threads = [threading.Thread(target=run, name=name) for name in ('one', 'two')]\n"
        "for each in threads: each.start()\n"
        "for each in threads: each.join()"
    )
    told = kernel.value("[[type(e).__name__, str(e)] for e in errors]")
    assert {kind for kind, _ in told} == {"ConfigurationError"}
    assert all("Use environment='local' in threads" in message for _, message in told)
    assert len(told) == 2
    assert kernel.value("mine") == 1


class Subshell:
    """A subshell of a kernel: cells of the same notebook that run in a thread of its own."""

    def __init__(self, kernel: LiveKernel) -> None:
        self._kernel = kernel
        client = kernel.client
        request = client.session.msg("create_subshell_request", {})
        client.control_channel.send(request)
        reply = client.get_control_msg(timeout=30)
        self.id: str = reply["content"].get("subshell_id", "")

    def run(self, code: str) -> Executed:
        client = self._kernel.client
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        request = client.session.msg("execute_request", content)
        request["header"]["subshell_id"] = self.id
        client.shell_channel.send(request)
        return self._kernel.finish(request["header"]["msg_id"])

    def delete(self) -> None:
        client = self._kernel.client
        client.control_channel.send(client.session.msg("delete_subshell_request", {"subshell_id": self.id}))
        client.get_control_msg(timeout=30)


def has_subshells(kernel: LiveKernel) -> bool:
    """Tell whether this ipykernel has them: since 7.0."""
    return bool(kernel.value("__import__('ipykernel').version_info[0] >= 7"))


def test_a_subshell_may_run_alone_and_waits_for_no_other(kernel: LiveKernel) -> None:
    if not has_subshells(kernel):
        return
    subshell = Subshell(kernel)
    try:
        alone = subshell.run("mine = 1\nresults = run_blocks(JupyterREPL(), '!echo there', 'made = 2')")
        assert alone.status == "ok", alone.traceback
        assert kernel.value("[results[0].stdout.strip(), mine, 'made' in globals()]") == ["there", 1, False]
        under_way(kernel, f"!true\nmade = 1\n{WAITS}print(made)")
        refused = subshell.run("users = 3\n%time again = users\nrun_blocks(JupyterREPL(), '1')")
        assert "Another run is working in this kernel, in another thread" in refused.error
        assert kernel.value("[users, again, 'made' in globals()]") == [3, 3, False]
        assert ended(kernel) == ("1\n", None)
        assert subshell.run("run_blocks(JupyterREPL(), '1')").status == "ok"
    finally:
        subshell.delete()


def test_one_run_in_the_notebooks_namespace_at_a_time(kernel: LiveKernel) -> None:
    under_way(kernel, WAITS, SHARED)
    refused = kernel.run(f"await arun_blocks(JupyterREPL({SHARED}), '1')")
    assert refused.error.startswith("ConfigurationError: Another run is working in the notebook's namespace")
    assert set(kernel.ok("_r = await arun_blocks(JupyterREPL(), '1')").types) == OWN
    assert ended(kernel)[1] is None
    kernel.ok(f"await arun_blocks(JupyterREPL({SHARED}), '1')")


def test_functions_and_tasks_of_the_model_find_its_names_too(kernel: LiveKernel) -> None:
    """Magics look for names where the code is, whoever called it, and not only in a cell that has a magic in it."""
    results = (
        "results = run_blocks(JupyterREPL(), 'n = 1\\nasync def f():\\n    %time made = n\\n    !echo {n}', "
        "'import asyncio\\nawait asyncio.gather(f(), f())', 'get_ipython().run_cell(\"inner = n + 1\");', 'inner', "
        "'%reset -f', 'n')"
    )
    kernel.ok(f"n = 'the users'\n{results}")
    assert kernel.value("results[1].stdout").splitlines().count("1") == 2
    assert kernel.value("results[3].outputs[-1]['data']['text/plain']") == "2"
    assert kernel.value("results[5].error.name") == "NameError"
    assert kernel.value("[n, 'inner' in globals(), 'made' in globals()]") == ["the users", False, False]
