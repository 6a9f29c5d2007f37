"""What a trace holds of the values that code reads: contexts and variables, in full as far as the limit goes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from family import asked, begun, family, trace_of
from live_kernel import LiveKernel
from scripted_server import ScriptedServer
from scripts import code, says

from rlm_jupyter import RLM
from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.trace.schema import CodeStart, ContextRecord
from rlm_jupyter.trace.trace import Trace
from rlm_jupyter.trace.values import NotRecordedError, recorded_value
from rlm_jupyter.trace.values.sources import names_in

NOTEBOOK = """
%load_ext rlm_jupyter
import re, math
rows, limit, unread = ["a lamp", "a door"], 3, "nobody reads this"
pattern = "a "
def clean(text):
    return re.sub(pattern, "", text)
"""

SHOW = """
import json
from rlm_jupyter.trace.values import recorded_value
space = {}
told = []
for span in result.trace.walk():
    if span.kind == "code":
        records = span.start.payload.inputs
        told.append([each.name for each in records])
        space.update({each.name: recorded_value(result.trace, each, run=True, namespace=space) for each in records})
expression = result.trace.run.contexts[0].expression
print(json.dumps([told, space["rows"], space["limit"], space["clean"]("a walrus"), expression]))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    blocks = (
        "import math as own\nmade = clean(rows[0])\nprint(made, limit)",
        "limit = 4\nmade += rows[1] + str(limit)",
        "%time print(made, own.pi, math.pi)\nunknown_name",
        "FINAL(made)",
    )
    with ScriptedServer(says(*map(code, blocks))) as scripted:
        yield scripted


def inputs(trace: Trace) -> list[list[ContextRecord]]:
    """What the blocks of a run and of its children read, block by block."""
    starts = [span.start.payload for span in trace.walk()]
    return [start.inputs for start in starts if isinstance(start, CodeStart)]


def test_each_variable_of_the_notebook_is_told_of_once_before_the_block_that_reads_it(server: ScriptedServer) -> None:
    with LiveKernel({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": server.base_url}) as kernel:
        kernel.ok(NOTEBOOK)
        kernel.ok("%%rlm --context rows --context limit --out result --quiet\nWhat is it?")
        told, rows, limit, cleaned, expression = json.loads(kernel.ok(SHOW).text)
    assert told == [["re", "pattern", "clean", "rows", "limit"], [], ["math"], []]
    assert (rows, limit, cleaned) == (["a lamp", "a door"], 3, "walrus")
    assert eval(expression, {"rows": rows, "limit": limit}) == {"rows": rows, "limit": limit}


def test_tools_and_the_contexts_of_children_are_in_the_trace_once() -> None:
    long = "lamp " * 2_000
    script = family(
        code("print(table[0], look)", "rlm_query_batched([context['long'], context['long'], context['short']])"),
        code("print(table)", "FINAL(7)"),
        child=code("print(table)", "FINAL(context[:4])"),
    )
    tools = {"table": [1, 2], "look": {"tool": len, "description": "counts"}}
    with ScriptedServer(script) as server, asked(server, custom_tools=tools) as rlm:
        trace = trace_of(rlm.completion({"long": long, "short": "door"}, "parent"))
    own, *below = inputs(trace)
    assert [record.name for record in own] == ["table", "look"]
    assert recorded_value(trace, own[0]) == [1, 2]
    assert recorded_value(trace, own[1], run=True) is len
    contexts = [begun(child).contexts[0] for child in trace.children]
    assert sorted(recorded_value(trace, each) for each in contexts) == ["door", long, long]
    assert sum(blob.size for blob in trace.blobs.values() if blob.encoding) < 3 * len(long)
    assert [[record.name for record in each] for each in below] == [["table"], ["table"], ["table"], []]
    (part,) = [part for part in map(trace.part, [trace.children[-1].span_id]) if part.root is not None]
    assert recorded_value(part, part.run.contexts[0]) in ("door", long)


@pytest.mark.parametrize(("limit", "kept"), [(0, []), (20_000, ["context_0", "small"]), (13_000, ["large"])])
def test_what_does_not_fit_is_described_only(limit: int, kept: list[str]) -> None:
    class Loud:
        def __repr__(self) -> str:
            pytest.fail("the repr of a variable was called")

        __len__ = __iter__ = __reduce__ = __repr__

    context: Any = "x" * 15_000
    tools = {"large": ["x" * 10_000], "small": "y" * 3_000, "loud": Loud()}
    blocks = says(code("large; loud"), code("small"), code("FINAL(1)"))
    with ScriptedServer(blocks) as server, asked(server, custom_tools=tools, record_limit=limit) as rlm:
        trace = trace_of(rlm.completion(context, "Which?"))
    records = [*trace.run.contexts, *(record for block in inputs(trace) for record in block)]
    assert [record.name for record in records] == ["context_0", "large", "loud", "small"]
    expected = {"context_0": context, **tools}
    for record in records:
        if record.value is None:
            with pytest.raises(NotRecordedError, match=record.name):
                recorded_value(trace, record)
        else:
            assert recorded_value(trace, record) == expected[record.name]
    assert [record.name for record in records if record.value is not None] == kept
    assert sum(blob.size for blob in trace.blobs.values() if blob.encoding) <= limit


@pytest.mark.parametrize("limit", [None, -1, 1.5, True, "10"])
def test_a_limit_that_is_none_is_refused_in_words(limit: Any) -> None:
    with pytest.raises(ConfigurationError, match="record_limit must be a whole number of characters"):
        RLM("offline", record_limit=limit)


@pytest.mark.parametrize(
    ("block", "read"),
    [
        (
            "def count(words):\n    found = {}\n    return [found.get('seen') for each in words]\nFINAL(count(rows))",
            ["rows"],
        ),
        ("FINAL([each for each in rows if (lambda found: found)(each)])", ["rows"]),
        ("class Row:\n    seen = seen\nFINAL(Row.seen)", ["seen"]),
        ("FINAL_VAR('seen')", ["seen"]),
        ("FINAL('found' in globals())", ["found"]),
        ("import sys\nFINAL(sys._getframe().f_globals['found'])", ["found"]),
        ("FINAL((lambda: 0).__globals__['found'])", ["found"]),
        ("space = __import__('__main__').__dict__\nFINAL(str(space.get('found')))", ["found"]),
        ("from builtins import globals as space\nmine = space()\nFINAL(mine['found'])", ["found"]),
        ("seen += 1\nFINAL(seen)", ["seen"]),
        ("def more():\n    global seen\n    seen += 1\nmore()\nFINAL(1)", ["seen"]),
        ("def more():\n    seen = 1\n    seen += 1\n    return seen\nFINAL(more())", []),
        ("FINAL([each for each in [{'found': 1}] if each['found']])", ["found"]),
        ("for each in [{}, {}]:\n    each['seen'] = each.get('found')\nFINAL(each)", []),
    ],
)
def test_what_is_a_functions_own_or_the_key_of_something_else_is_not_read(block: str, read: list[str]) -> None:
    tools = {"rows": [1, 2], "found": "the notebook's", "seen": 3}
    with ScriptedServer(says(code(block))) as server, asked(server, custom_tools=tools) as rlm:
        (told,) = inputs(trace_of(rlm.completion("go")))
    assert [each.name for each in told if each.value is not None] == read


def test_comprehensions_within_comprehensions_take_no_longer_each() -> None:
    nested = "rows"
    for depth in range(40):
        nested = f"[x{depth} for x{depth} in {nested}]"
    assert names_in(nested) == ["rows"]
