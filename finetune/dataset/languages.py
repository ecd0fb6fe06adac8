"""Which language a text is surely in: by its script, or by the little words of ten European languages."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import regex

from doyen.core.text import words

HITS = 2
"""Little words that a text needs to have for a verdict."""
LEAD = 1.5
"""So many times as many as of the language that comes second."""
SCRIPT_SHARE = 0.3
"""Share of a text's letters from which its script tells the language."""


def surely_in(text: str) -> str | None:
    """Return the two-letter code of a text's language, or None where it is too short or mixed to tell.

    Scripts that several languages use stand for one: Cyrillic for Russian, Arabic for Arabic, Devanagari for Hindi.
    """
    letters = len(regex.findall(r"\p{L}", text))
    for code, script in _scripts().items():
        if letters and len(script.findall(text)) >= SCRIPT_SHARE * letters:
            return "ja" if code == "zh" and _scripts()["ja"].search(text) else code
    said = words(text)
    counts = sorted(((sum(word in little for word in said), code) for code, little in _little_words().items()), reverse=True)
    (most, code), (second, _) = counts[:2]
    return code if most >= HITS and most >= LEAD * second else None


def known_languages() -> frozenset[str]:
    """Return the codes that can be told apart."""
    return frozenset([*_little_words(), *_scripts()])


@cache
def _table() -> dict[str, dict[str, str]]:
    return tomllib.loads(Path(__file__).with_name("languages.toml").read_text(encoding="utf-8"))


@cache
def _little_words() -> dict[str, frozenset[str]]:
    return {code: frozenset(listed.split()) for code, listed in _table()["words"].items()}


@cache
def _scripts() -> dict[str, regex.Pattern[str]]:
    return {code: regex.compile(rf"\p{{Script={name}}}") for code, name in _table()["scripts"].items()}
