"""What the scripted model says of recursion in the standard library."""

from __future__ import annotations

from .scripted import NOTICE, Script
from .standard_library import standard_library

__all__ = ["LIMITS", "QUESTION", "SCRIPT", "context"]

QUESTION = (
    "Which functions in these modules call themselves, directly or in a circle? What ends each recursion, and which of them can "
    "a caller's data drive into a RecursionError?"
)
LIMITS = {"max_depth": 2, "record_limit": 5_000_000}

context = standard_library

_LOOK = f"""{NOTICE}

Source code, so the structure can be computed and only the reasons have to be read. First the sizes.

```repl
modules = context_0
print(len(modules), "modules,", f"{{sum(map(len, modules.values())):,}} characters")
for path, source in modules.items():
    print(f"{{len(source):8,}} {{path}}")
print()
print(modules["copy.py"][:700])
```"""

_GRAPH = """A call graph within each module: which function calls which, by name.

```repl
import ast

calls = {}
for path, source in modules.items():
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            called = {call.func.id for call in ast.walk(node) if isinstance(call, ast.Call)}
            calls.setdefault(path, {}).setdefault(node.name, set()).update(called)
print(sum(map(len, calls.values())), "functions")
```"""

_GRAPH_AGAIN = """Of course: `self.method()` is an Attribute and has no `id`. I count plain names, and attributes of `self` and `cls`; calls on
other objects cannot be told from the source. A function is a candidate when it can be reached from itself.

```repl
def called_by(node):
    names = set()
    for call in ast.walk(node):
        if isinstance(call, ast.Call):
            func = call.func
            if isinstance(func, ast.Name):
                names.add(func.id)
            elif isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id in ("self", "cls"):
                names.add(func.attr)
    return names

calls, code = {}, {}
for path, source in modules.items():
    graph, lines = calls.setdefault(path, {}), source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            graph.setdefault(node.name, set()).update(called_by(node))
            code.setdefault((path, node.name), []).append("\\n".join(lines[node.lineno - 1 : node.end_lineno]))

def reachable(graph, name):
    seen, pending = set(), [name]
    while pending:
        for each in graph[pending.pop()] & graph.keys() - seen:
            seen.add(each)
            pending.append(each)
    return seen

candidates = {}
for path, graph in calls.items():
    circle = [name for name in graph if name in reachable(graph, name)]
    if circle:
        candidates[path] = sorted(circle)
print(sum(map(len, calls.values())), "functions,", sum(map(len, candidates.values())), "candidates:")
for path, names in candidates.items():
    print(f"{path:18}", ", ".join(names))
```"""

_READ = """A name is not a function: two classes may have methods of the same name, and a builtin may share one with a method. Each
candidate has to be read, and they are short; one call each, all at once.

```repl
asked = [(path, name) for path, names in candidates.items() for name in names]
prompts = [
    f"Function {name} of {path}, a module of Python's standard library. By their names, these functions may form a circle: "
    f"{', '.join(candidates[path])}. Does this one really come back to itself, directly or through them? Begin with 'yes:' or 'no:' and "
    "say in one sentence what ends the recursion, or why there is none.\\n\\n" + "\\n\\n".join(code[path, name])
    for path, name in asked
]
readings = dict(zip(asked, llm_query_batched(prompts)))
for (path, name), reading in readings.items():
    print(f"{path:16} {name:24} {reading}")
```"""

_DIVIDE = """Five fall away, which only share a name with what they call. What remains is of three kinds: recursion over the caller's data
(json, copy, pprint, plistlib), over templates (string, configparser), over files and classes. Whether data can break a recursion is
better tried than believed. A child for each of the first two kinds' modules: it gets the functions and what was read of them, and tries.

```repl
real = [each for each in asked if readings[each].startswith("yes")]
groups = {
    "json": ["json/encoder.py"],
    "copy": ["copy.py"],
    "pprint": ["pprint.py"],
    "plistlib": ["plistlib.py"],
    "templates": ["string.py", "configparser.py"],
}
prompts = []
for group, paths in groups.items():
    told = "\\n".join(f"- {path} {name}: {readings[path, name]}" for path, name in real if path in paths)
    shown = "\\n\\n".join(code[each][0] for each in real if each[0] in paths)
    prompts.append(
        f"GROUP {group}. These functions of {', '.join(paths)} are recursive, as somebody read them:\\n{told}\\n\\nTry it with the "
        "installed module, in a few lines: what happens with data that hold themselves, and with data nested 20,000 deep? Report which "
        f"guard you saw at work, and whether a caller's data can cause a RecursionError. Their source:\\n\\n{shown}"
    )
print([f"{group}: {len(prompt):,} characters" for group, prompt in zip(groups, prompts)])
reports = dict(zip(groups, rlm_query_batched(prompts)))
for group, report in reports.items():
    print(f"\\n{group}: {report}")
```"""

_CHECK = """Each child has tried its own module in its own way. Before I put that into one table I repeat it, all with the same two values:
a list that holds itself, and one nested 20,000 deep. plistlib is there twice, because its formats differ.

```repl
import copy, json, plistlib, pprint

def itself():
    loop = []
    loop.append(loop)
    return loop

def deep(levels=20_000):
    nested = []
    for _ in range(levels):
        nested = [nested]
    return nested

def outcome(function, make):
    try:
        function(make())
    except Exception as error:
        return type(error).__name__
    return "fine"

table = {
    "json.dumps(indent=1)": lambda value: json.dumps(value, indent=1),
    "copy.deepcopy": copy.deepcopy,
    "pprint.pformat": pprint.pformat,
    "plistlib.dumps, XML": plistlib.dumps,
    "plistlib.dumps, binary": lambda value: plistlib.dumps(value, fmt=plistlib.FMT_BINARY),
}
print(f"{'':24}{'itself':18}deep")
seen = {}
for name, function in table.items():
    seen[name] = outcome(function, itself), outcome(function, deep)
    print(f"{name:24}{seen[name][0]:18}{seen[name][1]}")
```"""

_ANSWER = f"""That is the whole picture.

```repl
by_module = {{}}
for path, name in real:
    by_module.setdefault(path, []).append(f"`{{name}}`")
rows = "\\n".join(f"| {{path}} | {{', '.join(names)}} |" for path, names in by_module.items())
broken = [f"`{{name.split(',')[0]}}`" for name, (_, nested) in seen.items() if nested == "RecursionError"]
answer["content"] = f\"\"\"**{{len(real)}} of {{sum(map(len, calls.values()))}} functions** come back to themselves; another {{len(asked) - len(real)}} only look so by their names.

| module | recursive |
|---|---|
{{rows}}

**What ends them.** *json* and *pprint* remember the containers that they are in, *copy* what it has copied (the memo): data that hold
themselves are refused, marked or copied as they are. *plistlib* has such a memory for binary files, and none for XML. *string* counts levels (two),
*configparser* too (ten), and both say so in an error of their own. *glob*, *shutil* end with the folders, *functools* with the base
classes, *shlex* when a source is used up.

**Who can be driven into a RecursionError.** Each that descends into the caller's data: {{', '.join(dict.fromkeys(broken))}} with a list
nested 20,000 deep, and plistlib's XML even with a list that holds itself. A memory of containers is no guard against mere depth. The two that
count levels cannot.

Calls through tables (pprint's dispatch) and on other objects cannot be seen in the source; I have looked for them only where a reading
told of one.

{NOTICE}\"\"\"
answer["ready"] = True
```"""

_JSON = (
    """I have the functions and what was read of them. I try both kinds of data.

```repl
import json

loop = []
loop.append(loop)
print(json.dumps(loop))
```""",
    """That is the guard at work: `markers` holds the ids of the containers that it is in. So, caught this time: without the guard, and with depth. I
let it indent, because then the Python code that I was shown does the work, and not its twin in C.

```repl
def tried(value, **options):
    try:
        return f"{len(json.dumps(value, indent=1, **options)):,} characters"
    except Exception as error:
        return f"{type(error).__name__}"

def deep(levels):
    nested = []
    for _ in range(levels):
        nested = [nested]
    return nested

print("itself:", tried(loop), "| without the guard:", tried(loop, check_circular=False))
for levels in (10, 100, 20_000):
    print(levels, "deep:", tried(deep(levels)))
```""",
    """```repl
FINAL("The guard against containers that hold themselves works (ValueError: Circular reference detected) and can be switched off "
      "(check_circular=False, then a RecursionError). It is no guard against depth: 20,000 levels give a RecursionError.")
```""",
)

_COPY = (
    """deepcopy is said to know what it has copied. If so, a list that holds itself gives a copy that holds *itself*, not the original.

```repl
import copy

loop = []
loop.append(loop)
twin = copy.deepcopy(loop)
print("the copy holds itself:", twin[0] is twin, "| and not the original:", twin[0] is not loop)

nested = []
for _ in range(20_000):
    nested = [nested]
try:
    copy.deepcopy(nested)
except RecursionError:
    print("20,000 deep: RecursionError")
del nested
```""",
    """One more, because `_reconstruct` is in the circle as well: objects with attributes that point at each other.

```repl
class Node:
    pass

one, other = Node(), Node()
one.next, other.next = other, one
copied = copy.deepcopy(one)
print(copied.next.next is copied, copied is not one)
FINAL("The memo, id to copy, is looked up first, so circles are copied as circles, of lists and of objects. Depth is not guarded: "
      "20,000 levels give a RecursionError.")
```""",
)

_PPRINT = (
    """```repl
import pprint

loop = []
loop.append(loop)
text = pprint.pformat(loop)
print(text[: text.index("with id")])
print(pprint.pformat([[[[]]]], depth=2))
```""",
    """It marks what holds itself, and `depth=` cuts. Does that cut also help with 20,000 levels?

```repl
def deep(levels):
    nested = []
    for _ in range(levels):
        nested = [nested]
    return nested

for options in ({}, {"depth": 3}):
    try:
        print(options, pprint.pformat(deep(20_000), **options))
    except RecursionError:
        print(options, "RecursionError")
FINAL("The ids of the containers that it is in are kept, and what holds itself is shown as <Recursion on list ...>. 20,000 levels give a "
      "RecursionError, unless depth= is given, which cuts before.")
```""",
)

_PLISTLIB = (
    """There are two writers: write_value and its kin for XML, _flatten for the binary format. Only of the latter a guard was read.

```repl
import plistlib

def tried(value, fmt):
    try:
        return f"{len(plistlib.dumps(value, fmt=fmt))} bytes"
    except RecursionError:
        return "RecursionError"

loop = []
loop.append(loop)
for fmt in ("xml", "binary"):
    print(fmt, "| itself:", tried(loop, fmt))
```""",
    """The formats are constants, not strings.

```repl
def deep(levels):
    nested = []
    for _ in range(levels):
        nested = [nested]
    return nested

for fmt in (plistlib.FMT_XML, plistlib.FMT_BINARY):
    print(fmt.name, "| itself:", tried(loop, fmt), "| 20 deep:", tried(deep(20), fmt), "| 20,000 deep:", tried(deep(20_000), fmt))
```""",
    """```repl
FINAL("The two formats differ. XML: no guard, a list that holds itself gives a RecursionError. Binary: what was seen is not entered again, "
      "and the list that holds itself is written in 43 bytes. 20,000 levels give a RecursionError in both.")
```""",
)

_TEMPLATES = (
    """Both are said to count levels. I nest a format one level further than the count allows.

```repl
import string

formatter = string.Formatter()
print(repr(formatter.format("{0:{1}}", "ab", 5)))
print(repr(formatter.format("{0:{1:{2}}}", "ab", 5, "d")))
```""",
    """The count works: nested once is fine, twice is refused with a ValueError of its own. Now configparser, where values refer to each other; caught,
and with the exact number of levels that goes through.

```repl
import configparser

def tried(values):
    parser = configparser.ConfigParser()
    parser.read_dict({"section": values})
    try:
        return parser["section"]["v0"]
    except configparser.Error as error:
        return type(error).__name__

print("in a circle:", tried({"v0": "%(v1)s", "v1": "%(v0)s"}))
for length in (5, 9, 10, 11, 5_000):
    chain = {f"v{at}": f"%(v{at + 1})s" for at in range(length)}
    print(length, "links:", tried({**chain, f"v{length}": "the end"}))
```""",
    """```repl
FINAL("Both count. string.Formatter goes two levels down and then raises ValueError('Max string recursion exceeded'); configparser goes "
      "MAX_INTERPOLATION_DEPTH (10) levels and then raises InterpolationDepthError, for circles as for long chains. Neither can be "
      "driven into a RecursionError.")
```""",
)

_READINGS = {
    "configparser.py _interpolate_some": "yes: it interpolates the values that it finds, with depth + 1, and raises "
    "InterpolationDepthError beyond MAX_INTERPOLATION_DEPTH.",
    "contextlib.py _create_cb_wrapper": "no: the 'callback' that it calls is its argument, not the method of that name.",
    "contextlib.py callback": "no: it makes a wrapper with _create_cb_wrapper, which calls the user's function and not this method.",
    "copy.py _reconstruct": "yes: through deepcopy, which is handed in as an argument; the memo ends it, else the data do.",
    "copy.py deepcopy": "yes: the copiers for lists, dicts and objects call it for every item; what is in the memo is returned at once.",
    "functools.py _c3_mro": "yes: for each base class; base classes form no circle, so it ends with object.",
    "functools.py register": "yes: as a decorator it returns a function that calls it again, with the function this time, so once.",
    "glob.py _iglob": "yes: for the folder part of the pattern, which is shorter each time.",
    "glob.py _rlistdir": "yes: for each folder in a folder; it ends with the tree of folders.",
    "json/encoder.py _iterencode": "yes: it hands lists and dicts to the other two, which come back for their items; markers hold the ids of "
    "the containers that it is in, unless check_circular is off.",
    "json/encoder.py _iterencode_dict": "yes: for values that are containers; the same markers refuse a dict that holds itself.",
    "json/encoder.py _iterencode_list": "yes: for items that are containers; the same markers refuse a list that holds itself.",
    "plistlib.py _flatten": "yes: for each value of a dict and item of a list; a container that it has seen is known by its id and not "
    "entered again.",
    "plistlib.py _read_object": "yes: for references to other objects; an object that was read before is returned by its number.",
    "plistlib.py write_array": "yes: through write_value, for each item; only the data end it.",
    "plistlib.py write_dict": "yes: through write_value, for each value; only the data end it.",
    "plistlib.py write_value": "yes: through write_dict and write_array; only the data end it.",
    "pprint.py _format": "yes: through the table of printers for containers; it keeps the ids of those that it is in, and marks what holds itself.",
    "pprint.py _format_namespace_items": "yes: it calls _format for each attribute's value, which knows the containers it is in.",
    "pprint.py _pprint_dataclass": "yes: through _format_namespace_items and _format, for each field.",
    "pprint.py _safe_repr": "yes: through self.format for keys, values and items; context holds the ids of containers, maxlevels the depth.",
    "pprint.py format": "yes: it is the door to _safe_repr, which asks it again for each item, so that subclasses can step in.",
    "shlex.py get_token": "yes: when it meets an include it pushes that source and asks again; it ends when the sources are used up.",
    "shutil.py _copytree": "yes: through copytree, for each folder in a folder; it ends with the tree of folders.",
    "shutil.py _rmtree_safe_fd": "yes: for each folder in a folder, of which it follows no links.",
    "shutil.py _rmtree_unsafe": "yes: for each folder in a folder; links are not followed.",
    "shutil.py copytree": "yes: _copytree calls it for each folder in a folder; it ends with the tree of folders.",
    "string.py _vformat": "yes: for the format specification, which may hold fields itself; recursion_depth is counted down from 2.",
    "string.py format": "no: it calls vformat, which calls _vformat; nothing below calls this method again.",
    "string.py format_field": "no: the format that it calls is the builtin.",
    "string.py vformat": "no: it starts _vformat, and is not called from there.",
}


def _leaf(prompt: str) -> str:
    _, name, _, path = prompt.partition(",")[0].split(" ")
    return _READINGS[f"{path} {name}"]


SCRIPT = Script(
    root=(_LOOK, _GRAPH, _GRAPH_AGAIN, _READ, _DIVIDE, _CHECK, _ANSWER),
    leaf=_leaf,
    children={
        "GROUP json.": _JSON,
        "GROUP copy.": _COPY,
        "GROUP pprint.": _PPRINT,
        "GROUP plistlib.": _PLISTLIB,
        "GROUP templates.": _TEMPLATES,
    },
)
