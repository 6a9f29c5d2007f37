"""The display that follows a run."""

from __future__ import annotations

import base64
import json
import re

from live_kernel import Executed
from scripted_server import Reply
from scripts import says
from stage import Stage

PAUSE = 0.25  # seconds between pieces: longer than between two states of the display
PHRASE = "correct horse battery staple"
LINES = "first half of it\nsecond half of it"
KEY = [base64.b64encode(bytes([number] * 48)).decode() for number in range(20)]


def shown(executed: Executed) -> str:
    return "\n".join(json.dumps(m["content"]["data"]) for m in executed.of("display_data", "update_display_data"))


def test_a_secret_of_several_words_is_not_shown_while_it_is_written(stage: Stage) -> None:
    stage.kernel.ok(f"import os\nos.environ.update(DB_PASSWORD={PHRASE!r}, VAULT_PASSPHRASE={LINES!r})")
    text = f"It is {PHRASE} and then comes {LINES} which is all there is"
    stage.script = says(Reply(chunks=[*re.findall(r"\S+\s*", text), "\nFINAL(done)"], pause=PAUSE))
    try:
        seen = shown(stage.kernel.ok("%rlm Go."))
    finally:
        stage.kernel.ok("del os.environ['DB_PASSWORD'], os.environ['VAULT_PASSPHRASE']")
    assert "[redacted DB_PASSWORD] and" in seen
    assert "[redacted VAULT_PASSPHRASE] which" in seen
    for word in (*PHRASE.split(), "half of"):
        assert word not in seen


def test_a_key_that_is_longer_than_what_is_shown_is_not_shown(stage: Stage) -> None:
    begin, end = "-----BEGIN RSA PRIVATE KEY-----\n", "-----END RSA PRIVATE KEY-----\n"
    pieces = [f"Look:\n{begin}", *("\n".join(KEY[at : at + 4]) + "\n" for at in range(0, len(KEY), 4)), end]
    stage.script = says(Reply(chunks=[*pieces, "and so on, ", "that was all ", "\nFINAL(done)"], pause=PAUSE))
    seen = shown(stage.kernel.ok("%rlm Go."))
    assert "and so on" in seen
    assert not [line for line in KEY if line[:16] in seen]


def test_what_fails_before_it_begins_is_shown_as_failed(stage: Stage) -> None:
    executed = stage.kernel.run("%rlm --env nowhere Go.")
    assert executed.error.startswith("ConfigurationError")
    last = executed.of("update_display_data")[-1]["content"]["data"]
    assert last["text/plain"].startswith("failed · ")
    assert "error-color" in last["text/html"]
