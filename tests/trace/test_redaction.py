"""Secrets are taken out of text, however they are written, and nothing else is."""

from __future__ import annotations

import base64
import json
import urllib.parse
from pathlib import Path

import pytest

from rlm_jupyter.trace.redaction import Redactor, secrets_in

SECRET = "pa\"ss'w\\or/d+ü with=äll&of<it>"


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        repr(SECRET),
        repr({"password": SECRET}),
        repr(repr(SECRET)),
        repr(SECRET.encode()),
        json.dumps({"password": SECRET}),
        json.dumps({"password": SECRET}, ensure_ascii=False),
        json.dumps(json.dumps([SECRET])),
        urllib.parse.quote(SECRET),
        urllib.parse.quote(SECRET, safe=""),
        urllib.parse.urlencode({"password": SECRET}),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"user:{SECRET}".encode()).decode(),
        base64.b64encode(f"me:{SECRET}".encode()).decode(),
        base64.urlsafe_b64encode(f"a:{SECRET}:b".encode()).decode(),
    ],
)
def test_a_secret_is_found_however_it_is_written(written: str) -> None:
    redacted = Redactor([SECRET], environ={}).redact(f"before {written} after")
    assert "[redacted]" in redacted
    assert redacted.startswith("before ")
    assert redacted.endswith(" after")
    assert "with" not in redacted  # the middle of the secret


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-4f9Qz81LmNop2Rst3Uvw",
        "sk-ant-api03-4f9Qz81LmNop2Rst3Uvw_x-AA",
        "sk-or-v1-0123456789abcdef0123456789abcdef",
        "ghp_0123456789abcdefghijABCDEFGHIJ012345",
        "github_pat_11ABCDEFG0123456789_abcdefghijklmnop",
        "glpat-abcdEFGH1234ijklMNOP",
        "xoxb-123456789012-abcdefghijkl",
        "AKIAIOSFODNN7EXAMPLE",
        "AIzaSyA0123456789abcdefghijklmnopqrstuv",
        "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH",
        "npm_abcdefghijklmnopqrstuvwxyz0123456789",
        "pypi-AgEIcHlwaS5vcmcCJDAwMDAwMDAw",
        "sk_live_51HabcdefGHIJKLmnop",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    ],
)
def test_well_known_keys_are_found_without_being_told_of_them(key: str) -> None:
    redactor = Redactor(environ={})
    for written in (key, f"key={key};", f"'{key}'", repr(f"A=1\n{key}\n"), f"\x1b[33m'\x1b[39m\x1b[33m{key}\x1b[39m"):
        assert key not in redactor.redact(written), written
        assert "[redacted]" in redactor.redact(written)


def test_headers_urls_and_private_keys_are_found() -> None:
    redactor = Redactor(environ={})
    pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA0123456789abcdef\nqwertz==\n-----END RSA PRIVATE KEY-----"
    assert redactor.redact(f"a {pem} b") == "a [redacted] b"
    assert redactor.redact(repr(pem)) == "'[redacted]'"
    assert redactor.redact("Authorization: Bearer abc123DEF456ghi") == "Authorization: Bearer [redacted]"
    assert redactor.redact("postgres://me:hunter22@db/x") == "postgres://[redacted]@db/x"
    assert redactor.redact("https://hooks.slack.com/services/T0/B0/abcXYZ") == (
        "https://hooks.slack.com/services/[redacted]"
    )


@pytest.mark.parametrize(
    "harmless",
    [
        "task-force-and-risk-assessment-2024-results",
        "<div class='sk-toggleable__label-arrow sk-estimator-doc-link'>",
        "if '-----BEGIN PRIVATE KEY-----' in text: raise",
        "ssh://git@github.com/a/b and http://localhost:8080/x@y and https://medium.com/@someone",
        "the bearer of bad news, Bearer authentication",
        'f"postgres://{user}:{password}@{host}"',
        "sk-12345 hf_hub npm_config eyJ AKIA pypi-publish",
        "... and so on … and on",
    ],
)
def test_what_only_looks_a_little_like_a_key_stays(harmless: str) -> None:
    assert Redactor(environ={}).redact(harmless) is harmless


def test_the_environment_says_which_variable_a_secret_is_from() -> None:
    redactor = Redactor(environ={"MY_SERVICE_TOKEN": "tok-4711-abc", "DATABASE_URL": "pg://me:hunter22@db/x"})
    assert redactor.redact("x=tok-4711-abc") == "x=[redacted MY_SERVICE_TOKEN]"
    assert redactor.redact("the password is hunter22") == "the password is [redacted DATABASE_URL]"


def test_variables_that_hold_no_secret_are_left_alone(tmp_path: Path) -> None:
    environ = {
        "SSH_AUTH_SOCK": str(tmp_path / "agent.1"),
        "PWD": str(tmp_path),
        "TOKENIZERS_PARALLELISM": "parallel",
        "MAX_TOKENS": "128000",
        "GIT_AUTHOR_NAME": "Ada Lovelace",
        "KEYBOARD_LAYOUT": "qwertz-de",
        "JPY_SESSION_NAME": "analysis.ipynb",
        "XDG_SESSION_TYPE": "wayland",
        "AUTH_REQUIRED": "required",
        "OLLAMA_API_KEY": "ollama",
        "SHORT_KEY": "abc",
        "HOME": "/somewhere/else",
    }
    text = "\n".join(environ.values())
    assert Redactor(environ=environ).redact(text) is text


def test_a_secret_that_was_cut_in_the_middle_leaves_no_half_behind() -> None:
    secret = "zq7-0123456789-abcdefghij-tail99"
    redactor = Redactor([secret], environ={})
    for mark in ("...", "…", "\n[... 1,234 characters left out ...]\n"):
        cut = redactor.redact(f"x={secret[:14]}{mark}{secret[-12:]}=y")
        assert cut == f"x=[redacted]{mark}[redacted]=y"
    assert redactor.redact(f"only the beginning: {secret[:20]}…") == "only the beginning: [redacted]…"
    key = "sk-proj-4f9Qz81LmNop2Rst3Uvw"
    assert redactor.redact(f"'{key[:12]}...{key[-9:]}'") == "'[redacted]...'"


def test_a_secret_may_become_known_later() -> None:
    redactor = Redactor(environ={})
    assert redactor.redact("open sesame 12") == "open sesame 12"
    redactor.add("open sesame 12")
    assert redactor.redact("open sesame 12") == "[redacted]"
    assert "sesame" not in repr(redactor)


def test_secrets_are_found_in_arguments() -> None:
    arguments = {
        "model_name": "gpt-5-mini",
        "api_key": "k-123456",
        "max_tokens": 100,
        "default_headers": {"X-Api-Key": "k-234567", "Accept": "text/plain", "Authorization": "Bearer k-345678"},
        "clients": [{"clientSecret": ["k-456789"]}],
        "base_url": "https://me:k-567890@host/v1",
    }
    found = secrets_in(arguments)
    assert {"k-123456", "k-234567", "k-345678", "k-456789", "k-567890"} <= set(found)
    assert not {"gpt-5-mini", "text/plain", "https://me:k-567890@host/v1"} & set(found)


def test_text_without_secrets_is_the_same_object_and_evil_text_takes_no_longer() -> None:
    redactor = Redactor(["a secret that is nowhere"], environ={"SOME_KEY": "and another"})
    text = "x" * 1_000_000
    assert redactor.redact(text) is text
    for evil in ("sk-", "eyJ", "://", "://a:", "-----BEGIN RSA PRIVATE KEY-----", "Bearer ", "sk-a...", "\\nsk-a1"):
        redactor.redact(evil * (500_000 // len(evil)))  # a quadratic pattern would run into the test's time limit
