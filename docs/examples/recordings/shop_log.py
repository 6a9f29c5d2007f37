"""Ten thousand log lines of a web shop, with an incident in them: the same lines on every machine."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

__all__ = ["shop_log"]

_LINES = 10_000
_BEGIN, _END = 13.5 * 3600, 15.5 * 3600  # seconds of the day
_PAGES = (
    "/",
    "/search?q=lamp",
    "/search?q=desk",
    "/product/4812",
    "/product/977",
    "/product/15320",
    "/cart",
    "/account",
)
_STACK = (
    "    at shop.checkout.PricingClient.quote(PricingClient.java:88)",
    "    at shop.checkout.Totals.compute(Totals.java:41)",
    "    at shop.checkout.CheckoutHandler.post(CheckoutHandler.java:132)",
)
_SAID = (
    ("13:33:18", "INFO", "pricing-db", "migration 0213_drop_legacy_keys applied in 1.9 s: dropped index "
     "ix_price_rules_tier_key (no reads in 90 days)"),
    ("13:41:05", "INFO", "deployer", "release search 5.3.0 rolled out to 3/3 instances"),
    ("13:52:40", "WARN", "search", "heap at 81% of 2048 MB"),
    ("14:02:12", "INFO", "deployer", "release mail 1.18.2 rolled out to 2/2 instances"),
    ("14:11:07", "INFO", "flags", "bulk-discounts: off -> on, changed by m.okafor (SHOP-4471, 'tier prices for trade accounts')"),
    ("14:24:31", "WARN", "search", "heap at 97% of 2048 MB"),
    ("14:25:02", "ERROR", "search", "worker 2 killed: out of memory, restarting"),
    ("14:25:48", "ERROR", "search", "worker 1 killed: out of memory, restarting"),
    ("14:26:10", "INFO", "search", "3/3 workers healthy"),
    ("14:27:33", "INFO", "ops", "note by r.kaur: checkout alarm, looking. search had a hiccup, probably that"),
    ("14:34:09", "INFO", "deployer", "restart of checkout requested by r.kaur: 4/4 instances"),
    ("14:36:50", "INFO", "ops", "note by r.kaur: restarted checkout, errors are back after two minutes. not search, not checkout itself"),
    ("14:42:15", "INFO", "ops", "note by j.lindqvist: pricing-db is at 100% cpu reading price_rules end to end, who is asking it by tier?"),
    ("14:46:52", "INFO", "flags", "bulk-discounts: on -> off, changed by r.kaur ('trying something')"),
    ("14:55:20", "INFO", "ops", "note by r.kaur: checkout green since the flag is off. payment provider looks slow too, writing to northbank"),
    ("15:04:41", "INFO", "deployer", "release search 5.3.1 rolled out to 3/3 instances"),
)  # fmt: skip
_FROM, _FULL, _TO = 14 * 3600 + 19 * 60, 14 * 3600 + 24 * 60, 14 * 3600 + 47 * 60 + 20


def shop_log() -> str:
    """Return the log: 10,000 lines, some of which go on with a stack trace, in the order of their times."""
    random = Random(4471)
    events: list[tuple[float, list[str]]] = []

    def tell(at: float, level: str, service: str, text: str, *more: str) -> None:
        events.append((at, [f"2026-03-17T{_clock(at)}Z {level:<5} {service:<10} {text}", *more]))

    for clock, level, service, text in _SAID:
        hours, minutes, seconds = map(int, clock.split(":"))
        tell(hours * 3600 + minutes * 60 + seconds + random.random(), level, service, text)
    at = _BEGIN
    while at < _END:  # checkouts
        at += 3.5 + 6 * random.random()
        _checkout(at, random, tell)
    at = _BEGIN
    while at < _END:  # what the payment provider does all the time
        at += 60 + 120 * random.random()
        tell(at, "WARN", "payment", f"northbank answered after {1900 + int(random.random() * 2400)} ms")
    at = 14 * 3600 + 11 * 60 + 30.0
    while at < _TO:  # what the flag brings
        at += 6 + 14 * random.random()
        took = 1500 + int(random.random() * 1700)
        tell(at, "WARN", "pricing-db", f"slow query {took} ms: select rule from price_rules where tier_key = ? "
             "(seq scan, 412880 rows)")  # fmt: skip
    at = 14 * 3600 + 17 * 60 + 40.0
    while at < _TO - 20:
        at += 20 + 40 * random.random()
        tell(
            at,
            "WARN",
            "pricing",
            f"pool exhausted: 20 of 20 connections in use, {3 + int(random.random() * 60)} callers waiting",
        )
    written = sum(len(lines) for _, lines in events)
    for _ in range(_LINES - written):  # visitors
        at = _BEGIN + (_END - _BEGIN) * random.random()
        page = _PAGES[int(random.random() * len(_PAGES))]
        status = 404 if random.random() < 0.004 else 200
        tell(at, "INFO", "gateway", f"GET {page} {status} {12 + int(random.random() ** 3 * 400)} ms")
    events.sort(key=lambda event: event[0])
    return "".join(f"{line}\n" for _, lines in events for line in lines)


def _checkout(at: float, random: Random, tell: Callable[..., None]) -> None:
    order = 700000 + int(at * 10) % 100000
    share = min(1.0, max(0.0, (at - _FROM) / (_FULL - _FROM))) * 0.86 if at < _TO else 0.0
    if random.random() < share:
        stack = _STACK if random.random() < 0.2 else ()
        tell(at, "ERROR", "checkout", f"order {order}: pricing did not answer within 3000 ms", *stack)
        tell(at + 0.02, "ERROR", "gateway", "POST /checkout 503 3021 ms upstream=checkout")
        if random.random() < 0.12:
            tell(at + 41, "ERROR", "payment", f"webhook for order {order}: no such order")
        return
    took = 180 + int(random.random() * 300)
    tell(at, "INFO", "checkout", f"order {order}: placed, {1 + int(random.random() * 5)} items")
    tell(at + 0.02, "INFO", "gateway", f"POST /checkout 201 {took} ms upstream=checkout")


def _clock(at: float) -> str:
    thousandths = int(at * 1000)
    seconds, thousandths = divmod(thousandths, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{thousandths:03}"
