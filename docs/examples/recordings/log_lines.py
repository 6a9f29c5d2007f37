"""What the scripted model says of the web shop's log."""

from __future__ import annotations

import re

from .scripted import NOTICE, Script
from .shop_log import shop_log

__all__ = ["LIMITS", "QUESTION", "SCRIPT", "context"]

QUESTION = (
    "Checkout failed for about half an hour that afternoon. What was the root cause, what set it off, how many checkouts "
    "failed, and what in this log was only noise?"
)
LIMITS = {"max_depth": 1, "record_limit": 0}  # the log is made anew in a moment, and large

context = shop_log

_LOOK = f"""{NOTICE}

I first look at what kind of material this is: its type, its size, how lines begin.

```repl
print(type(context_0).__name__, f"{{len(context_0):,}} characters")
lines = context_0.splitlines()
print(f"{{len(lines):,}} lines")
for line in [*lines[:5], "...", *lines[-3:]]:
    print(line)
```"""

_PARSE = """A plain service log: time, level, service, text. I parse all of it, so that I can count instead of reading.

```repl
from datetime import datetime

def parsed(line):
    stamp, level, service, text = line.split(None, 3)
    return datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%fZ"), level, service, text

events = [parsed(line) for line in lines]
print(len(events))
```"""

_PARSE_AGAIN = """Not every line begins with a time. Before I change the parser I look at the lines that do not, so that I do not
throw away something that matters; then I join them to the event that they belong to.

```repl
import re
from collections import Counter

HEAD = re.compile(r"\\d{4}-\\d\\d-\\d\\dT(\\d\\d:\\d\\d):(\\d\\d)\\.\\d{3}Z (\\w+) +([\\w-]+) +(.*)")
other = [line for line in lines if not HEAD.match(line)]
print(len(other), "lines without a time; they are:")
for text, count in Counter(other).most_common():
    print(f"{count:6} {text}")

events = []  # [minute of the day, clock, level, service, text]
for line in lines:
    found = HEAD.match(line)
    if found:
        hours, minutes = found[1].split(":")
        events.append([int(hours) * 60 + int(minutes), f"{found[1]}:{found[2]}", found[3], found[4], found[5]])
    else:
        events[-1][4] += "\\n" + line.strip()
assert len(events) + len(other) == len(lines)
print(len(events), "events")
for (level, service), count in Counter((event[2], event[3]) for event in events).most_common():
    print(f"{count:6} {level:5} {service}")
```"""

_WHEN = """Stack traces of the checkout, all of them in its client for pricing. Now when it happened: checkouts that went through and
that did not, and who else complained, by ten minutes.

```repl
columns = ["placed", "503", "checkout", "pricing", "pricing-db", "payment", "search"]
table = {}
for minute, clock, level, service, text in events:
    row = table.setdefault(minute // 10, Counter())
    if service == "gateway":
        row["placed"] += text.startswith("POST /checkout 201")
        row["503"] += text.startswith("POST /checkout 503")
    elif level != "INFO":
        row[service] += 1
print("       " + "".join(f"{column:>12}" for column in columns))
for ten, row in table.items():
    print(f"{ten // 6:02}:{ten % 6}0  " + "".join(f"{row[column]:12}" for column in columns))
failed = [event for event in events if event[4].startswith("POST /checkout 503")]
print(len(failed), "failed checkouts, from", failed[0][1], "to", failed[-1][1])
```"""

_READ = """The failures run from 14:20 to 14:47. pricing-db was slow *before* them, from about 14:11; payment complains evenly all the
time; search only in passing. Counting does not tell what people did and noted, so I have everything that is not routine read,
five minutes at a time, all windows at once. Alike lines are folded with a count, so that each window is short.

```repl
ROUTINE = re.compile(r"(GET|POST /checkout 201) |order \\d+: placed")

def window(first):
    said = {}
    for minute, clock, level, service, text in events:
        if first <= minute < first + 5 and not ROUTINE.match(text):
            head = text.split("\\n")[0]
            entry = said.setdefault((service, re.sub(r"\\d+", "#", head)), [clock, level, head, 0])
            entry[3] += 1
    return "\\n".join(f"{clock} {level} {service}: {head}" + (f"  (and {count - 1} more like it)" if count > 1 else "")
                     for (service, _), (clock, level, head, count) in said.items())

starts = range(13 * 60 + 30, 15 * 60 + 30, 5)
prompts = [
    f"These are the events out of the ordinary in a web shop's log, {first // 60:02}:{first % 60:02} to "
    f"{(first + 5) // 60:02}:{(first + 5) % 60:02}. Checkout failed from 14:20 to 14:47. Say in at most three sentences what "
    "in them may have to do with it, as a cause, a consequence or a coincidence, with times and names as they stand here. "
    f"Say 'Nothing.' if there is nothing.\\n\\n{window(first)}"
    for first in starts
]
print(len(prompts), "windows, the longest of", max(map(len, prompts)), "characters")
readings = llm_query_batched(prompts)
for first, reading in zip(starts, readings):
    print(f"{first // 60:02}:{first % 60:02}  {reading}")
```"""

_TEST = """That gives a chain to test: a flag at 14:11 asks price_rules by tier; the index for that was dropped at 13:33; full scans keep
the database busy, pricing's 20 connections are used up, the checkout waits in vain. If that is right, four things hold, and each
can fail.

```repl
def at(clock):
    hours, minutes, seconds = map(int, clock.split(":"))
    return hours * 3600 + minutes * 60 + seconds

def clocks(service, begins):
    return [at(event[1]) for event in events if event[3] == service and event[4].startswith(begins)]

on, off = clocks("flags", "bulk-discounts: off")[0], clocks("flags", "bulk-discounts: on")[0]
slow, full = clocks("pricing-db", "slow query"), clocks("pricing", "pool exhausted")
failures = clocks("gateway", "POST /checkout 503")
print("1. no slow query before the flag:", min(slow) > on, "| first", min(slow) - on, "s after it, last", max(slow) - off, "s after off")
print("2. the order is flag, slow query, pool, failure:", on < min(slow) < min(full) < min(failures))
after = [second for second in failures if second > off]
print("3. it ends with the flag:", len(after), "of", len(failures), "failures come later, the last", max(after) - off, "s")
scans = [event for event in events if "price_rules" in event[4]]
print("4. every slow query is a scan by tier:", sum("where tier_key" in event[4] and "seq scan" in event[4] for event in scans), "of", len(slow))
print()
for event in events:
    if "tier_key" in event[4] and not event[4].startswith("slow query"):
        print("who touched tier_key:", event[1], event[3], event[4])
```"""

_NOISE = """All four hold, and the migration is the only other thing that touched `tier_key`. One check is left, of what others in the
log held for the cause: search, the provider northbank, and the restart of the checkout.

```repl
north = clocks("payment", "northbank")
span = (failures[-1] - failures[0]) / 60
during = sum(failures[0] <= second <= failures[-1] for second in north)
print(f"northbank: {during / span:.2f} a minute during the failures, {(len(north) - during) / (120 - span):.2f} otherwise")
killed = clocks("search", "worker")
print("search: first worker killed", killed[0] - failures[0], "s after the first failure, healthy again at",
      next(event[1] for event in events if event[3] == "search" and "healthy" in event[4]))
restart = clocks("deployer", "restart of checkout")[0]
print("restart: failures in the three minutes before", sum(restart - 180 <= second < restart for second in failures),
      "| and in minutes 3 to 6 after", sum(restart + 180 <= second < restart + 360 for second in failures))
orphans = {re.search(r"order (\\d+)", event[4])[1] for event in events if event[3] == "payment" and "no such order" in event[4]}
lost = {re.search(r"order (\\d+)", event[4])[1] for event in events if event[3] == "checkout" and "did not answer" in event[4]}
print("webhooks without an order:", len(orphans), "| of them of a failed checkout:", len(orphans & lost))
attempts = len(failed) + sum(1 for event in events if event[4].startswith("POST /checkout 201") and failures[0] <= at(event[1]) <= failures[-1])
print(f"failed: {len(failed)} of {attempts} attempts in that time, {len(failed) / attempts:.0%}")
```"""

_ANSWER = f"""Everything fits, so I answer, with the numbers from the variables and not from memory.

```repl
answer["content"] = f\"\"\"**Root cause.** Migration 0213_drop_legacy_keys dropped the index `ix_price_rules_tier_key` at 13:33:18, because nobody had
read it for 90 days. From then on, to look a price up by tier meant to scan all 412,880 rows of `price_rules`.

**What set it off.** The flag `bulk-discounts`, switched on at 14:11:07 (SHOP-4471), which asks by tier. The first slow query came
{{min(slow) - on}} s later; scans filled the database, pricing's 20 connections were used up from {{min(full) // 3600}}:{{min(full) // 60 % 60:02}} on, and the checkout
waited 3 s for pricing in vain. Neither was harmful alone.

**How many.** {{len(failed)}} checkouts failed between {{failed[0][1]}} and {{failed[-1][1]}}, of {{attempts}} attempts ({{len(failed) / attempts:.0%}}). The flag was switched off at
14:46:52, and {{max(after) - off}} s later it was over. {{len(orphans)}} payments came for orders that did not exist: they have to be refunded.

**Noise.** search's out-of-memory restarts (14:25, after the first failures); northbank's slow answers (as many before and after);
the releases of search and mail; the restart of the checkout (14:34), which changed nothing. The note at 14:55 that suspects
northbank is mistaken.

**Still open.** The index is still missing: the flag must stay off until it is back.

{NOTICE}\"\"\"
answer["ready"] = True
```"""

# What a reader of one window would say of what is rare: a pattern of its lines, and the sentence about it.
_RARE = (
    (
        r"(\d\d:\d\d:\d\d) INFO pricing-db: migration (\S+) .* index (\S+)",
        "At {0} migration {1} dropped the index {2}: harmless by itself, but from then on whatever asks by that key scans the "
        "table; a possible cause.",
    ),
    (
        r"(\d\d:\d\d:\d\d) INFO flags: (\S+): off -> on, changed by (\S+) \((SHOP-\d+)",
        "At {0} {2} switched the flag {1} on ({3}), minutes before the failures: a possible trigger.",
    ),
    (
        r"(\d\d:\d\d:\d\d) ERROR search: worker \d killed",
        "search runs out of memory at {0} and is healthy again a minute later; the checkout had failed before: a coincidence.",
    ),
    (
        r"(\d\d:\d\d:\d\d) INFO deployer: restart of checkout requested by (\S+):",
        "{1} had the checkout restarted at {0}; the failures go on.",
    ),
    (
        r"(\d\d:\d\d:\d\d) INFO ops: note by (\S+): restarted checkout",
        "{1} notes at {0} that the restart of the checkout helped for two minutes only, so its fault lies further down.",
    ),
    (
        r"(\d\d:\d\d:\d\d) INFO ops: note by (\S+): pricing-db is at 100% cpu",
        "At {0} {1} sees pricing-db at 100% cpu reading price_rules from end to end, and asks who asks it by tier: as if an index "
        "were missing.",
    ),
    (
        r"(\d\d:\d\d:\d\d) INFO flags: (\S+): on -> off, changed by (\S+)",
        "At {0} {2} switched {1} off ('trying something'), and the failures end within this window: that cured it.",
    ),
    (
        r"(\d\d:\d\d:\d\d) INFO ops: note by (\S+): checkout green",
        "At {0} {1} notes that checkout is green since the flag is off, and suspects northbank as well; nothing here supports that.",
    ),
    (r"(\d\d:\d\d:\d\d) INFO deployer: release (\S+) (\S+)", "{1} {2} was released at {0}; no sign that it matters."),
)
_STATE = (
    "Besides, the state of this half hour: {scans} slow scans of price_rules, pricing's connections used up, {lost} checkouts that "
    "waited for it in vain.",
    "{lost} checkouts failed because pricing did not answer; pricing itself waits for its database ({scans} full scans).",
    "The chain as before: {scans} scans, no free connection in pricing, {lost} failed checkouts.",
)


def _reading(prompt: str) -> str:
    found = ((re.search(pattern, prompt), sentence) for pattern, sentence in _RARE)
    said = [sentence.format(*match.groups()) for match, sentence in found if match is not None][:2]
    scans, lost = _count("pricing-db: slow query", prompt), _count("checkout: order", prompt)
    if lost:
        said.append(_STATE[(scans + lost) % len(_STATE)].format(scans=scans, lost=lost))
    elif scans:
        first = re.search(r"(\d\d:\d\d:\d\d) WARN pricing-db: slow query (\d+) ms.*, (\d+) rows", prompt)
        assert first is not None
        said.append(
            f"pricing-db reads price_rules from end to end ({first[3]} rows), {scans} times, first at {first[1]}."
        )
        if "pool exhausted" in prompt:
            said.append(
                "Towards the end pricing has no connection left for its callers: this is what the checkout runs into."
            )
    return " ".join(said) or "Nothing."


def _count(begin: str, prompt: str) -> int:
    """Return how many events of the window begin so; alike ones are folded in it."""
    found = re.search(rf"{begin}.*?(?:\(and (\d+) more like it\))?$", prompt, re.MULTILINE)
    return 0 if found is None else 1 + int(found[1] or 0)


SCRIPT = Script(root=(_LOOK, _PARSE, _PARSE_AGAIN, _WHEN, _READ, _TEST, _NOISE, _ANSWER), leaf=_reading)
