"""What is read out of a model's reply."""

from __future__ import annotations

import pytest

from rlm_jupyter.core.reply import Reply, TextAnswer, read_reply

BLOCKS = {
    "repl": ("```repl\nx = 1\n```", ["x = 1"]),
    "python": ("```python\nx = 1\n```", ["x = 1"]),
    "short and upper-case names": ("```py\nx = 1\n```\n```Python\ny = 2\n```", ["x = 1", "y = 2"]),
    "tildes": ("~~~repl\nx = 1\n~~~", ["x = 1"]),
    "an info string after the language": ("```python title=look\nx = 1\n```", ["x = 1"]),
    "prose around": ("I look.\n\n```repl\nx = 1\n```\nThen I answer.", ["x = 1"]),
    "several": ("```repl\nx = 1\n```\nand\n```repl\ny = 2\n```", ["x = 1", "y = 2"]),
    "indented in a list": (
        "1. Look:\n\n   ```python\n   if x:\n       y = 2\n   ```\n2. Answer.",
        ["if x:\n    y = 2"],
    ),
    "a longer fence holds a shorter one": ("````repl\ntext = '''\n```\n'''\n````", ["text = '''\n```\n'''"]),
    "a closing fence may be longer": ("```repl\nx = 1\n`````", ["x = 1"]),
    "tildes do not close backticks": ("```repl\ns = '''\n~~~\n'''\n```", ["s = '''\n~~~\n'''"]),
    "a fence inside a string": (
        '```repl\nprompt = """Write:\n```\ncode\n```\n"""\nprint(prompt)\n```\nDone.',
        ['prompt = """Write:\n```\ncode\n```\n"""\nprint(prompt)'],
    ),
    "labelled fences inside a string": (
        '```repl\nprompt = """\n```python\na\n```\n```python\nb\n```\n"""\n```\n\n```repl\ny = 2\n```',
        ['prompt = """\n```python\na\n```\n```python\nb\n```\n"""', "y = 2"],
    ),
    "a fence inside a docstring": (
        "```python\ndef f():\n    '''Do.\n\n    ```\n    f()\n    ```\n    '''\n    return 1\n```",
        ["def f():\n    '''Do.\n\n    ```\n    f()\n    ```\n    '''\n    return 1"],
    ),
    "quotes in comments and in short strings open nothing": (
        '```repl\n# don\'t say """ here\na = \'"""\'\n```\n```repl\nb = "it\'s"\n```',
        ['# don\'t say """ here\na = \'"""\'', 'b = "it\'s"'],
    ),
    "an escaped quote does not end a string": (
        '```repl\ns = """a \\"""\n```\n"""\n```',
        ['s = """a \\"""\n```\n"""'],
    ),
    "a block that does not parse, then another": (
        "```repl\nfor x in\n```\nI mean:\n```repl\nprint(1)\n```",
        ["for x in", "print(1)"],
    ),
    "a string that is never closed": ('```repl\nx = """oops\n```\n```repl\nprint(1)\n```', ['x = """oops', "print(1)"]),
    "magics": (
        "```repl\n%time x = 1\n!echo it's\n```\n```python\n%%bash\nls\n```",
        ["%time x = 1\n!echo it's", "%%bash\nls"],
    ),
    "unclosed": ("```repl\nx = 1\ny = 2", ["x = 1\ny = 2"]),
    "nothing but the opening": ("```repl", []),
    "empty": ("```repl\n\n```", []),
    "no language": ("```\nx = 1\n```", []),
    "another language": ("```json\n{}\n```\n```bash\nls\n```", []),
    "inline code": ("Use ```repl x = 1``` here.", []),
    "Windows line ends": (
        "```repl\r\nx = 1\r\ny = 2\r\n```\r\nand\r\n```repl\r\nz = 3\r\n```",
        ["x = 1\ny = 2", "z = 3"],
    ),
}


@pytest.mark.parametrize(("text", "blocks"), BLOCKS.values(), ids=BLOCKS.keys())
def test_code_blocks(text: str, blocks: list[str]) -> None:
    assert list(read_reply(text).code_blocks) == blocks


ANSWERS = {
    "a word": ("FINAL(42)", "42"),
    "after prose, on a line of its own": ("I know it now.\n\nFINAL(Paris)", "Paris"),
    "indented": ("  FINAL(Paris)", "Paris"),
    "nested parentheses": ("FINAL(f(x) (as in (a)) and g(y))", "f(x) (as in (a)) and g(y)"),
    "several lines": ("FINAL(one\n- two (2)\nthree)", "one\n- two (2)\nthree"),
    "a smiley": ("FINAL(It is 42 :) as I said)", "It is 42 :) as I said"),
    "a list": ("FINAL(First a) the cat\nthen b) the dog)", "First a) the cat\nthen b) the dog"),
    "prose behind it": ("FINAL(42) because that is so (I checked).", "42"),
    "prose below it": ("FINAL(42)\n\nI am sure (quite).", "42"),
    "a full stop behind it": ("FINAL(42).", "42"),
    "never closed": ("FINAL(the answer is 42", "the answer is 42"),
    "in an unlabelled fence": ("```\nFINAL(42)\n```", "42"),
    "the first of two": ("FINAL(1)\nFINAL(2)", "1"),
    "spaces around": ("FINAL(  42 \n)", "42"),
    "Windows line ends": ("So:\r\nFINAL(42)\r\nDone.", "42"),
    "empty": ("FINAL()", ""),
}


@pytest.mark.parametrize(("text", "answer"), ANSWERS.values(), ids=ANSWERS.keys())
def test_answers_as_text(text: str, answer: str) -> None:
    assert read_reply(text) == Reply((), TextAnswer(answer))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("FINAL_VAR(result)", "result"),
        ("FINAL_VAR('result')", "result"),
        ('FINAL_VAR( "result" )', "result"),
        ("FINAL_VAR(`result`)", "result"),
        ('FINAL_VAR(results["a"])', 'results["a"]'),
    ],
)
def test_answers_that_a_variable_holds(text: str, name: str) -> None:
    assert read_reply(text) == Reply((), TextAnswer(name, is_variable=True))


@pytest.mark.parametrize(
    "text",
    [
        "I will call FINAL(x) when I know it.",
        "FINALLY(42)",
        "final(42)",
        '```json\n{"a": "b"}\nFINAL(42)\n```',
        "Nothing to say.",
        "",
    ],
)
def test_prose_that_is_no_answer(text: str) -> None:
    assert read_reply(text) == Reply((), None)


@pytest.mark.parametrize(
    "text",
    [
        "```repl\nprint(context[:10])\n```\nThe output is 42.\n\nFINAL(42)",
        "FINAL(42)\n```repl\nprint(1)\n```",
        "```repl\nx = 1\n```\nFINAL_VAR(x)",
        "```repl\nFINAL(42)\n```",
    ],
)
def test_a_reply_with_code_answers_nothing_as_text(text: str) -> None:
    """A model must not answer from output that it imagined; in a block, FINAL is a call."""
    reply = read_reply(text)
    assert reply.code_blocks
    assert reply.answer is None


def test_reading_costs_no_more_than_the_length(recwarn: pytest.WarningsRecorder) -> None:
    """Neither deep nesting nor odd escapes in a model's code reach the parser, or the user's cell as a warning."""
    nested = "-" * 200_000 + "1"
    text = f"```repl\nx = {nested}\n```\n```repl\nimport re; re.compile('\\d')\n```"
    assert read_reply(text).code_blocks == (f"x = {nested}", "import re; re.compile('\\d')")
    assert not recwarn.list
