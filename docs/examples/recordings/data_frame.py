"""What the scripted model says of the shops' orders, and how that is recorded: in the notebook that plays it.

``python docs/examples/recordings/data_frame.py`` runs ``data_frame.ipynb`` up to its question, with the model behind a
socket, and writes the trace beside this file.
"""

from __future__ import annotations

import gzip
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recordings.scripted import MODEL, NOTICE, Script, seconds_for

__all__ = ["SCRIPT", "record"]

HERE = Path(__file__).resolve().parent
NOTEBOOK = HERE.parent / "data_frame.ipynb"
RECORDING = HERE / "data_frame.jsonl.gz"

_LOOK = f"""{NOTICE}

I look at the table first: its columns, what is missing, what the numbers are like.

```repl
print(f"{{len(orders):,}} rows, ordered from {{orders['ordered'].min():%d %B}} to {{orders['ordered'].max():%d %B %Y}}")
for _name in orders.columns:
    print(f"{{_name:10}} {{orders[_name].nunique():>7,}} values, {{orders[_name].isna().sum()}} missing")
for _share in (0.01, 0.5, 0.99, 1):
    print(f"amount, {{_share:4.0%}} quantile: {{orders['amount'].quantile(_share):>10.2f}}")
```"""

_WHERE = """Two things are odd. There are fewer order numbers than rows, so some orders stand there twice. And half of all
orders are below 50, but the largest is above 10,000. I want to know where each of the two happens before I mend
anything.

```repl
_twice = orders[orders.duplicated("order_id", keep=False)]
_alike = orders.duplicated(keep=False).sum() == len(_twice)
print(f"{len(_twice)} rows share their order number; alike in all columns: {bool(_alike)}")
print("days:", *sorted({f"{_day:%d %B}" for _day in _twice["ordered"]}))

_price = orders["amount"] / orders["items"]
_dear = orders[_price > 100]
print(f"{len(_dear)} orders at more than 100 an item; shops: {sorted(set(_dear['shop']))}")
print(f"from {_dear['ordered'].min():%d %B %H:%M} to {_dear['ordered'].max():%d %B %H:%M}")
print("amounts without cents:", bool((_dear["amount"] % 1 == 0).all()))
```"""

_TEST = """The doubles are three whole days, alike in everything: two exports overlap there. The dear orders are all from
Gent, all within two weeks, all whole numbers: that looks like cents. If it is, then *all* of Gent's prices in these days are
a hundred times too large, and neither Gent at other times nor other shops in these days are. I test that.

```repl
_gent = orders["shop"] == "Gent"
_days = orders["ordered"].between("2025-03-03", "2025-03-17", inclusive="left")
for _label, _rows in (("Gent, then", _gent & _days), ("Gent, else", _gent & ~_days), ("others, then", ~_gent & _days)):
    _low, _middle, _high = (_price[_rows].quantile(_share) for _share in (0, 0.5, 1))
    print(f"{_label:12} {_rows.sum():>6} orders, {_low:>8.2f} to {_high:>8.2f} an item, median {_middle:>8.2f}")
```"""

_MEND = """That settles it: divided by 100, these prices lie where all others do, and no order of Gent's in these days is
outside. I mend both, and check every price afterwards. The amounts I change in place; for the rows that go, `orders` is
bound to a new table.

```repl
_in_cents = _gent & _days
orders.loc[_in_cents, "amount"] = (orders.loc[_in_cents, "amount"] / 100).round(2)
_before = len(orders)
orders = orders.drop_duplicates("order_id").reset_index(drop=True)
orders["week"] = orders["ordered"].dt.isocalendar().week.astype(int)

print(f"{_before - len(orders)} rows dropped, {len(orders):,} left; numbers are unique: {orders['order_id'].is_unique}")
_price = orders["amount"] / orders["items"]
print(f"{_price.min():.2f} to {_price.max():.2f} an item; revenue of the year: {orders['amount'].sum():,.2f}")
```"""

_WEEKS = """The table is sound. Now the weeks. By the ISO calendar the last days of December may belong to week 1, and would
be added to January: I look at that before I draw it.

```repl
_late = orders[(orders["week"] == 1) & (orders["ordered"].dt.month == 12)]
print(f"{len(_late)} orders of {_late['ordered'].min():%d} to {_late['ordered'].max():%d %B} are in week 1")
orders.loc[_late.index, "week"] = 53

weekly = orders.groupby("week")["amount"].sum().round(2)
_usual = weekly.loc[2:52].median()
print(f"a usual week: {_usual:,.0f}")
for _week, _sum in weekly.items():
    if not 0.75 < _sum / _usual < 1.25:
        print(f"week {_week}: {_sum:>10,.2f}, {_sum / _usual - 1:+.0%}")
```"""

_DRAW = """August is weak, from its first full week to its last, and December is strong; week 53 is only three days long. I
draw it, with the two seasons marked.

```repl
import matplotlib.pyplot as plt

_figure, _axes = plt.subplots(figsize=(9, 3.2))
_axes.bar(weekly.index, weekly / 1_000, color="#4878a8")
_axes.axhline(_usual / 1_000, color="#888888", linewidth=1)
_axes.axvspan(31.5, 35.5, color="#d98032", alpha=0.2)
_axes.axvspan(48.5, 52.5, color="#58a058", alpha=0.2)
_axes.set(title="Revenue of four shops, 2025", xlabel="week", ylabel="thousand euros", xlim=(0, 54))
plt.show()
```"""

_ANSWER = f"""All is done and checked; the numbers in the answer come from the table.

```repl
_august, _december = (weekly.loc[_weeks].sum() / (4 * _usual) - 1 for _weeks in (slice(32, 35), slice(49, 52)))
answer["content"] = f\"\"\"**What was wrong, and is mended in `orders`**

- {{_before - len(orders)}} orders of 17 to 19 June stood there twice, alike in every column: two exports overlap. One of each is kept.
- Gent wrote cents in place of euros from 3 to 16 March: {{_in_cents.sum()}} rows, a hundred times too large. They are divided by 100.

Nothing is missing, and every price of an item is now between 8 and 48 euros. The year's revenue is {{orders['amount'].sum():,.2f}}.

**Revenue by week** (`weekly`, and the new column `week`)

- A usual week brings {{_usual:,.0f}}.
- The weeks of August (32 to 35) bring {{-_august:.0%}} less, those of December (49 to 52) {{_december:.0%}} more.
- 29 to 31 December are week 53 here; by the ISO calendar they would count to week 1.

{NOTICE}\"\"\"
answer["ready"] = True
```"""

SCRIPT = Script(root=(_LOOK, _WHERE, _TEST, _MEND, _WEEKS, _DRAW, _ANSWER), leaf=str)


def record(path: Path = RECORDING) -> None:
    """Run the notebook up to its question, answered by the script over a socket, and write the trace to ``path``."""
    import nbformat
    from nbclient import NotebookClient

    sys.path.insert(0, str(HERE.parents[2] / "tests"))
    from scripted_server import ChatRequest, Reply, ScriptedServer

    def reply(request: ChatRequest) -> Reply:
        text = SCRIPT.reply(request.messages)
        seconds = seconds_for(request.messages, text)
        pieces = [text[start : start + 40] for start in range(0, len(text), 40)]
        asked = sum(len(str(message["content"])) for message in request.messages) // 4
        usage = {"prompt_tokens": asked, "completion_tokens": len(text) // 4, "cost": 0.0}
        usage["total_tokens"] = asked + len(text) // 4
        return Reply(text, delay=0.3 * seconds, pause=0.7 * seconds / len(pieces), chunks=pieces, usage=usage)

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    asked_at = next(index for index, cell in enumerate(notebook.cells) if cell["id"] == "ask")
    del notebook.cells[asked_at + 1 :]
    with ScriptedServer(reply) as server, TemporaryDirectory() as folder:
        kept = Path(folder) / "trace.jsonl"
        for cell in notebook.cells:
            if cell["id"] == "play":
                lines = (
                    "%load_ext rlm_jupyter",
                    f"%config RLMMagics.model = {MODEL!r}",
                    f"%config RLMMagics.base_url = {server.base_url!r}",
                    "%config RLMMagics.trace = False",
                )
                cell.source = "\n".join(lines)
        write = f"__import__('pathlib').Path({str(kept)!r}).write_text(cleaned.trace.to_jsonl())"
        notebook.cells.append(nbformat.v4.new_code_cell(write))
        env = {name: value for name, value in os.environ.items() if not name.startswith(("RLM_JUPYTER_", "JPY_"))}
        NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(HERE.parent)}}).execute(env=env)
        with path.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
            packed.write(kept.read_bytes())
    print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    record()
