"""Tracebacks of model code are the same where the code failed alike: in any REPL, Python and machine."""

from __future__ import annotations

from rlm_jupyter.core.cell_tracebacks import without_incidentals

IN_311 = """Output:
read 3
Traceback (most recent call last):
  File "<rlm 3 cell 2>", line 9, in <module>
    said = [
           ^
  File "<rlm 3 cell 2>", line 10, in <listcomp>
    json.loads(reply)
  File "/usr/lib/python3.11/json/__init__.py", line 346, in loads
    return _default_decoder.decode(s)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^
json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)
Note: it is late"""

IN_313 = """Output:
read 3
Traceback (most recent call last):
  File "<rlm 12 cell 2>", line 10, in <module>
    json.loads(reply)
    ~~~~~~~~~~^^^^^^^
  File "/opt/python3.13/lib/json/__init__.py", line 352, in loads
    return _default_decoder.decode(s)
           ~~~~~~~~~~~~~~~~~~~~~~~^^^
json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)
Note: it is late"""


def test_versions_machines_and_repls_do_not_show() -> None:
    kept = without_incidentals(IN_311)
    assert kept == without_incidentals(IN_313)
    assert kept.split("\n") == [
        "Output:",
        "read 3",
        "Traceback (most recent call last):",
        '  File "<rlm cell>", line 10, in <module>',
        "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
        "Note: it is late",
    ]


def test_another_error_line_or_function_does() -> None:
    others = [
        IN_311.replace("JSONDecodeError", "ValueError"),
        IN_311.replace("line 10", "line 11"),
        IN_311.replace("<module>", "read"),
        IN_311.replace("read 3", "read 4"),
        IN_311.replace("it is late", "it is early"),
    ]
    assert len({without_incidentals(text) for text in [IN_311, *others]}) == 1 + len(others)


def test_what_model_code_has_read_stays_as_it_is() -> None:
    log = '14:02\nTraceback (most recent call last):\n  File "/srv/shop.py", line 3, in <module>\n    pay()\nOSError'
    assert without_incidentals(log) == log
    both = f"{log}\n{IN_311}\n  {log}"
    assert without_incidentals(both) == f"{log}\n{without_incidentals(IN_311)}\n  {log}"


IN_A_GROUP = """Output:
  + Exception Group Traceback (most recent call last):
  |   File "<rlm 3 cell 2>", line 4, in <module>
  |     raise ExceptionGroup("both", found)
  | ExceptionGroup: both (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "<rlm 3 cell 2>", line 2, in <module>
    |     json.loads(reply)
    |     ^^^^^^^^^^^^^^^^^
    |   File "/usr/lib/python3.11/json/__init__.py", line 346, in loads
    |     return _default_decoder.decode(s)
    | ValueError: no
    +------------------------------------"""


def test_groups_of_errors_and_warnings_do_not_show_them_either() -> None:
    there = IN_A_GROUP.replace("rlm 3", "rlm 12").replace("^" * 17, "~~~~~~~~~~^^^^^^^").replace("3.11", "3.13")
    kept = without_incidentals(IN_A_GROUP)
    assert kept == without_incidentals(there)
    assert kept.split("\n") == [
        "Output:",
        "  + Exception Group Traceback (most recent call last):",
        '  |   File "<rlm cell>", line 4, in <module>',
        "  | ExceptionGroup: both (1 sub-exception)",
        "  +-+---------------- 1 ----------------",
        "    | Traceback (most recent call last):",
        '    |   File "<rlm cell>", line 2, in <module>',
        "    | ValueError: no",
        "    +------------------------------------",
    ]
    assert without_incidentals("<rlm 3 cell 2>:4: UserWarning: no") == "<rlm cell>:4: UserWarning: no"
    kernels = IN_311.replace("rlm 3 cell", "rlm cell")
    assert without_incidentals(kernels) == without_incidentals(IN_311)


def test_what_stands_in_no_traceback_of_a_cell_stays() -> None:
    invoice = 'Invoice\n  File "<rlm cell>", line 3, in pay\n  total: 10 EUR\n'
    assert without_incidentals(invoice) == invoice
    log = 'Traceback (most recent call last):\n  File "/srv/shop.py", line 3, in <module>\n    pay()\n'
    assert without_incidentals(f"{log}{invoice}") == f"{log}{invoice}"
    through = f'{log}  File "<rlm cell>", line 3, in pay\n    total()\nOSError'
    assert without_incidentals(through) == through


def test_a_recursion_through_a_comprehension_is_that_through_none() -> None:
    begin, end = "Traceback (most recent call last):\n", "ZeroDivisionError: division by zero"
    frame = '  File "<rlm 1 cell 1>", line 2, in f\n    return [f(n - 1) for _ in "a"]\n'
    within = frame.replace("in f", "in <listcomp>")
    folded = f"{begin}{frame * 3}  [Previous line repeated 2 more times]\n{end}"
    assert without_incidentals(f"{begin}{(frame + within) * 5}{end}") == without_incidentals(folded)
    assert without_incidentals(folded) == f'{begin}  File "<rlm cell>", line 2, in f\n{end}'
