"""What the scripted model says of the boatyard's documents."""

from __future__ import annotations

import json
import re

from .boatyard import boatyard
from .scripted import NOTICE, Script

__all__ = ["LIMITS", "QUESTION", "SCRIPT", "context"]

QUESTION = (
    "Today is 22 June 2026. Which of our supply contracts can we leave this summer without paying anything, by what day must "
    "the letter have arrived, and who has to sign it?"
)
LIMITS = {"max_depth": 2, "record_limit": 5_000_000}


def context() -> dict[str, str]:
    """Return the documents in the order in which a folder is read."""
    return dict(sorted(boatyard().items()))


_LOOK = f"""{NOTICE}

First, what is there: how many documents of which kinds, how long, and what one of each looks like.

```repl
documents = context_0
kinds = {{}}
for path in documents:
    kinds.setdefault(path.split("/")[0], []).append(path)
for kind, paths in kinds.items():
    print(f"{{kind:10}} {{len(paths):3}} documents, {{sum(len(documents[path]) for path in paths):6,}} characters")
for paths in kinds.values():
    print(f"\\n--- {{paths[0]}}\\n{{documents[paths[0]]}}")
```"""

_TIMELINE = """The question is about dates, so I want the mails in the order of time, with who wrote what about.

```repl
from datetime import datetime

headers = {}
for path in kinds["mails"]:
    head = documents[path].split("\\n\\n")[0]
    headers[path] = dict(line.split(": ", 1) for line in head.splitlines())

def day(path):
    return datetime.strptime(headers[path]["Date"], "%d %B %Y").date()

for path in sorted(kinds["mails"], key=day):
    print(path, day(path), headers[path]["From"], "|", headers[path]["Subject"])
```"""

_TIMELINE_AGAIN = """Some mail has no date. I must not drop it silently: it could be the one that counts. Undated ones go last, and I show
their text.

```repl
def day(path):
    date = headers[path].get("Date")
    return datetime.strptime(date, "%d %B %Y").date() if date else None

dated = [path for path in kinds["mails"] if day(path)]
undated = [path for path in kinds["mails"] if not day(path)]
for path in sorted(dated, key=day):
    print(path, day(path), headers[path]["From"], "|", headers[path]["Subject"])
for path in undated:
    print("\\nundated:", path)
    print(documents[path])
```"""

_DIVIDE = """The undated ones do not matter. The rest divides well: what the contracts allow, what suppliers announced, what was decided
and who may sign. None of these has the answer alone. Each goes to a child with its documents, and with what I need in return.

```repl
def bundle(*wanted):
    return "\\n".join(f"=== {path}\\n{documents[path]}" for kind in wanted for path in kinds[kind])

prompts = [
    "CONTRACTS. Below are twelve supply contracts of Norrvik Boatworks, each after a line with ===. For each: can the customer leave "
    "between 22 June and the end of September 2026 without paying, and on what condition? Name number, supplier, yearly value, the "
    "condition with its figures, and any time limit. Leave out those that cannot be left.\\n\\n" + bundle("contracts"),
    "MAILS. Below are mails of Norrvik Boatworks, each after a line with ===. Report every price increase that a supplier has announced "
    "for goods we already buy: who, by how many per cent, from when, and the date of the announcement; and every figure on quantities "
    "that we took from a supplier. Name the mail for each.\\n\\n" + bundle("mails"),
    "MINUTES. Below are minutes of Norrvik Boatworks, each after a line with ===. Report (1) the rules on who signs when a supply "
    "contract is ended, (2) who holds each of these offices on 22 June 2026, and what is vacant, (3) every decision about a single "
    "supplier that may bind us. Name the minutes for each.\\n\\n" + bundle("minutes"),
]
reports = rlm_query_batched(prompts)
for report in reports:
    print(report, "\\n" + "-" * 40)
```"""

_JOIN = """Now the second hop: the conditions against what happened. I compute the days instead of guessing them, for each contract that the
first child left in.

```repl
from datetime import date, timedelta

today = date(2026, 6, 22)
rights = [  # contract, supplier, more than per cent in a year, announced [(day, per cent)]
    ("C-2020-07", "Kolsnes Engines", 4.0, [(date(2026, 5, 28), 6.0)]),
    ("C-2021-04", "Tarn Coatings", 4.0, [(date(2026, 6, 9), 4.6)]),
    ("C-2022-01", "Vestby Rope", 5.0, [(date(2026, 3, 12), 3.5), (date(2026, 5, 2), 2.1)]),
]
for number, supplier, limit, announced in rights:
    total, reached = 0.0, None
    for when, per_cent in announced:
        total += per_cent
        if total > limit and reached is None:
            reached = when
    until = reached + timedelta(days=30) if reached else None
    print(f"{number} {supplier:16} {total:.1f} % (limit {limit:.0f} %), reached {reached}, letter by {until}:",
          "too late" if until < today else f"{(until - today).days} days left")
print("C-2023-03 Brattland Timber: notice by 30 June for 30 September, but then", 80 - 60, "points of the quantity are to be paid")
```"""

_CHECK = """Vestby is too late, Brattland would cost, and Kolsnes is still in time but was waived on 3 June. That leaves Tarn. Before I answer
I check each link of the chain in the documents' own words, and that nothing else speaks of Tarn.

```repl
links = {
    "contracts/C-2021-04.txt": ["more than 4 per cent in the course of a calendar year", "without compensation",
                                "no later than thirty days after the increase was announced", "Yearly value: about 310,000"],
    "mails/04.txt": ["Date: 9 June 2026", "4.6 per cent above"],
    "minutes/2026-06-04-management.txt": ["we waive the right to end"],
    "minutes/2024-02-15-board.txt": ["the managing director and the head of purchasing sign together", "more than 250,000",
                                     "the chair of the board signs in the place"],
    "minutes/2026-05-21-board.txt": ["Until then\\nthe office is vacant"],
    "minutes/2026-04-16-annual-meeting.txt": ["Renate Vik is elected chair of the board"],
}
for path, quotes in links.items():
    for quote in quotes:
        print("ok     " if quote in documents[path] else "MISSING", path, "|", quote.replace("\\n", " "))
print("\\nTarn is spoken of in:", [path for path, text in documents.items() if "Tarn" in text])
print("managing director:", sorted({path for path, text in documents.items() if "Elvestad (managing director)" in text}))
letter_by = date(2026, 6, 9) + timedelta(days=30)
print("letter by", letter_by, f"{letter_by:%A}")
```"""

_ANSWER = f"""All links hold.

```repl
answer["content"] = f\"\"\"**Tarn Coatings, C-2021-04** (hull and tank coatings). It is the only one.

- **Why it can be left.** A rise by more than 4 per cent in a calendar year is good cause, and ends the contract without compensation
  (contracts/C-2021-04, section 5). On 9 June Tarn announced 4.6 per cent as of 1 August (mails/04). The contract then ends on 1 August.
- **By when.** The letter must have arrived within thirty days of the announcement: by **{{letter_by.day}} July 2026**, a {{letter_by:%A}}.
- **Who signs.** **Tor Elvestad and Renate Vik.** Above 250,000 a year the managing director and the head of purchasing sign together
  (minutes of 15 February 2024, section 7); Tarn's is worth 310,000. The head of purchasing's office is vacant until 1 September (minutes
  of 21 May), so the chair of the board signs in that place (section 8): since 16 April that is Renate Vik, no longer Odd Fure.

**Why not the others.** Kolsnes: 6 per cent, but the right was waived on 3 June (minutes of 4 June). Vestby: 3.5 and 2.1 per cent pass its
limit of 5, but the thirty days ended on 1 June. Brattland: possible for 30 September, but about 20 per cent of the year's quantity would
have to be paid. The rest have fixed terms, longer notice, or ask for compensation.

{NOTICE}\"\"\"
answer["ready"] = True
```"""

_CONTRACTS = (
    """I split the bundle, and look whether all contracts have the same sections, so that I only need to read the one on ending.

```repl
import re

contracts = dict(re.findall(r"^=== (\\S+)\\n(.*?)(?=^=== |\\Z)", context_0, re.MULTILINE | re.DOTALL))
print(len(contracts), "contracts")
for path, text in contracts.items():
    print(path, re.findall(r"^(\\d)\\. (\\w+)\\.", text, re.MULTILINE) == [(str(at), name) for at, name in enumerate(
        ["Goods", "Term", "Prices", "Quality", "End", "Form"], 1)], len(text))
```""",
    """All have six sections. The wording of section 5 differs in each, so it has to be read; I ask for a small JSON object per contract,
which I can then filter by code.

```repl
import json

asked = [
    "Below is a supply contract. Say as one JSON object, and nothing else, whether the customer can leave it between 22 June and 30 "
    'September 2026 without paying: {"possible": "no" | "if", "condition": "...", "limit": "..."}. Consider term, notice and '
    f"compensation.\\n\\n{text}"
    for text in contracts.values()
]
said = [json.loads(reply) for reply in llm_query_batched(asked)]
print(len(said))
```""",
    """One of the replies is not plain JSON: the model has put a fence around it. That is no reason to ask all twelve again; I take what
stands between the braces. `said` was not bound, so I ask once more, and keep the raw replies this time.

```repl
replies = llm_query_batched(asked)
said = {}
for path, reply in zip(contracts, replies):
    found = re.search(r"\\{.*\\}", reply, re.DOTALL)
    said[path] = json.loads(found[0]) if found else {"possible": "?", "condition": reply, "limit": ""}
    if reply[:1] != "{":
        print("not plain JSON:", path, repr(reply[:24]))
for path, each in said.items():
    print(path, each["possible"], "|", each["condition"])
```""",
    """Eight cannot be left in time. I report the four others with their figures, the values taken from the text.

```repl
lines = []
for path, each in said.items():
    if each["possible"] == "no":
        continue
    text = contracts[path]
    supplier = re.search(r"between (.*?) \\(the Supplier\\)", text)[1]
    value = re.search(r"Yearly value: about ([\\d,]+)\\.", text)[1]
    lines.append(f"- {path}, {supplier}, {value} a year: {each['condition']} Time limit: {each['limit']}.")
FINAL("Contracts that may be left without paying, each on a condition:\\n" + "\\n".join(lines)
      + f"\\nThe other {len(said) - len(lines)} have fixed terms, longer notice, or ask for compensation.")
```""",
)

_MAILS = (
    """Twenty short mails. Increases speak of per cent, quantities too; I look for these words first.

```repl
import re

mails = dict(re.findall(r"^=== (\\S+)\\n(.*?)(?=^=== |\\Z)", context_0, re.MULTILINE | re.DOTALL))
figures = {path: text for path, text in mails.items() if re.search(r"per cent|%", text)}
print(len(mails), "mails,", len(figures), "with a percentage")
for path, text in figures.items():
    print(f"\\n{path}\\n{text.strip()}")
```""",
    """Eight, and short enough to have been read by me. Grimstad's 9 per cent are for another product, Lista's 12 are a reduction; the others count.
A percentage may also be written out, or a rise told without one: I have the remaining mails read.

```repl
rest = [path for path in mails if path not in figures]
readings = llm_query_batched([
    "Does this mail announce that goods become dearer, or say what quantities were taken? Reply 'no', or quote the sentence.\\n\\n" + mails[path]
    for path in rest
])
for path, reading in zip(rest, readings):
    print(path, "|", reading)
```""",
    """Only a fee for one convoy, which is no price increase. My report:

```repl
FINAL(\"\"\"Announced increases:
- Vestby Rope: 3.5 per cent from 1 April, announced 12 March 2026 (mails/01); another 2.1 per cent from 1 June, announced 2 May (mails/03).
- Kolsnes Engines: 6 per cent from 1 July, announced 28 May (mails/02).
- Tarn Coatings: 4.6 per cent on average from 1 August, announced 9 June (mails/04).
- Halden Steel: 2 per cent surcharge from 1 February, announced 15 January (mails/06).
No increases: Grimstad's 9 per cent (another product, mails/10), Lista's 12 (cheaper, mails/15).
Quantities: Brattland 41 per cent of the year's quantity by 15 June, hardly more than 60 by the end of September (mails/07).
Besides: glass, rope, paint and timber could be replaced within three weeks, drives and steel not (mails/09).\"\"\")
```""",
)

_MINUTES = (
    """Eight minutes, some five thousand characters: that I read myself, in the order of time.

```repl
print(context_0[context_0.index("\\n=== "):])
```""",
    """The rules are of 2024, but two of the three offices changed hands this spring. I list each mention of the offices by code, so that none is
overlooked, before I report.

```repl
import re

minutes = dict(re.findall(r"^=== (\\S+)\\n(.*?)(?=^=== |\\Z)", context_0, re.MULTILINE | re.DOTALL))
for path, text in minutes.items():
    for sentence in re.split(r"(?<=[.;])\\s+|\\n(?=\\d\\.)", text.replace("\\n", " ")):
        if re.search(r"chair|managing director|head of purchasing|vacant|successor|waive", sentence):
            print(path, "|", sentence.strip())
```""",
    """```repl
FINAL(\"\"\"(1) Rules (minutes/2024-02-15-board): above 250,000 a year, the managing director and the head of purchasing sign together
(section 7); below, the head of purchasing alone. If an office is vacant, the chair of the board signs in its place (section 8).
(2) On 22 June 2026: managing director Tor Elvestad; head of purchasing vacant, Ingrid Solberg left on 31 May, Paul Achterberg begins on
1 September (2026-05-21-board; Nina Berg only looks after orders and invoices); chair Renate Vik since 16 April, before that Odd Fure
(2026-04-16-annual-meeting).
(3) Kolsnes: the right to end the contract on account of the 6 per cent was waived, signed on 3 June (2026-06-04-management). Management
wants to leave one contract this summer, if that costs nothing (2026-06-18-management).\"\"\")
```""",
)

_CONDITIONS = {
    "C-2020-07": ("prices rise by more than 4 per cent within a calendar year.", "the letter within thirty days of the announcement"),
    "C-2021-04": ("prices rise by more than 4 per cent in the course of a calendar year (good cause).",
                  "the letter within thirty days of the announcement"),
    "C-2022-01": ("the increases of a calendar year add up to more than 5 per cent.",
                  "the letter within thirty days of the announcement by which they do"),
    "C-2023-03": ("at least 80 per cent of the year's quantity have been taken by then; else what is missing is paid.",
                  "three months' notice to the end of a quarter, so by 30 June for 30 September"),
}  # fmt: skip
_REFUSED = (
    ("at any time against a compensation", "Only against a compensation."),
    ("against a compensation", "Only as of 31 December, and against a compensation."),
    ("twelve months' notice", "Twelve months' notice to 30 April: not before 2027."),
    ("nine months' notice", "Nine months' notice to the end of a year: for 2026 it is too late."),
    ("six months' notice", "Six months' notice to 30 April: not before 2027."),
    ("prolonged by three years", "Its term ends on 31 August, but notice was due in February; it is prolonged."),
    ("pays half", "A fixed term; leaving early costs half of the profit."),
    ("fixed term", "A fixed term to the end of 2027."),
)


def _leaf(prompt: str) -> str:
    if prompt.startswith("Does this mail"):
        fee = re.search(r"the fee of \d+ is passed on to you", prompt)
        return f"No price, but: '{fee[0]}'" if fee else "no"
    number = re.search(r"SUPPLY CONTRACT (\S+)", prompt)
    assert number is not None
    if number[1] in _CONDITIONS:
        condition, limit = _CONDITIONS[number[1]]
        return json.dumps({"possible": "if", "condition": condition, "limit": limit})
    condition = next(said for words, said in _REFUSED if words in prompt.partition("\n5. End. ")[2])
    text = json.dumps({"possible": "no", "condition": condition, "limit": ""})
    return f"```json\n{text}\n```" if number[1] == "C-2022-06" else text


SCRIPT = Script(
    root=(_LOOK, _TIMELINE, _TIMELINE_AGAIN, _DIVIDE, _JOIN, _CHECK, _ANSWER),
    leaf=_leaf,
    children={"CONTRACTS.": _CONTRACTS, "MAILS.": _MAILS, "MINUTES.": _MINUTES},
)
