"""Units of measurement and number words, read from ``physical_units.toml``."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from doyen.core.text import CASELESS

_ALNUM = rf"[^\W_{CASELESS}]"
_SLASH = re.compile(r"\s?/\s?")
_START = re.compile(rf"(?<![^\W\d_{CASELESS}])[^\W\d_{CASELESS}]|(?<![^\W\d_])[^\W\d_]|[^\w\s]")
_PER = re.compile(r"\s(?:per|an?|pro)\s", re.IGNORECASE)


@cache
def table() -> dict[str, Any]:
    """Return the table of units, months and number words as it is in the file."""
    return tomllib.loads(Path(__file__).with_name("physical_units.toml").read_text(encoding="utf-8"))


def unit_at(text: str, position: int) -> tuple[str, int] | None:
    """Return the unit that begins exactly at ``position`` and where it ends, or None.

    A quotient of two units is one unit: ``mg/m3`` is "mg/m³", "litres an hour" is "l/h".
    """
    found = _simple(text, position)
    if found is None:
        return None
    unit, end = found
    joint = _SLASH.match(text, end) or _PER.match(text, end)
    below = _simple(text, joint.end()) if joint else None
    return (f"{unit}/{below[0]}", below[1]) if below else found


def unit_before(text: str, position: int, floor: int = 0) -> tuple[str, int] | None:
    """Return the currency that ends at ``position``, blanks apart, and where it begins (not before ``floor``), or None."""
    match = _before().search(text, max(floor, position - 6), position)
    symbols, words = _forms()
    return (symbols.get(match["symbol"]) or words[match["symbol"].lower()], match.start()) if match else None


def units_in(text: str) -> set[str]:
    """Return every unit that the text names, beside a number or alone (as table headings do)."""
    starts = _START.finditer(text)
    return {found[0] for match in starts if (found := unit_at(text, match.start()))}


def _simple(text: str, position: int) -> tuple[str, int] | None:
    symbols, words = _forms()
    by_symbol, by_word = _patterns()
    matches = [match for match in (by_word.match(text, position), by_symbol.match(text, position)) if match]
    if not matches:
        return None
    best = max(matches, key=lambda match: match.end())
    form = best.group()
    return symbols.get(form) or words[re.sub(r"[\s-]+", " ", form.lower())], best.end()


@cache
def _forms() -> tuple[dict[str, str], dict[str, str]]:
    """Return the unit of each symbol and of each word."""
    units = table()["units"]
    symbols = {form: unit for unit, forms in units.items() for form in forms.get("symbols", [])}
    return symbols, {form: unit for unit, forms in units.items() for form in forms.get("words", [])}


@cache
def _before() -> re.Pattern[str]:
    symbols = sorted(table()["before"]["symbols"], key=len, reverse=True)
    return re.compile(rf"(?P<symbol>(?<!{_ALNUM})(?:{'|'.join(map(re.escape, symbols))})|[$€£¥￥₹])[ \u00a0]?$")


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return patterns of symbols and of words; neither ends inside a longer word."""
    symbols, words = ("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)) for forms in _forms())
    words = words.replace(r"\ ", r"[\s-]+")
    return (
        re.compile(rf"(?:{symbols})(?:(?<!{_ALNUM})|(?!{_ALNUM}|-\w))"),
        re.compile(rf"(?:{words})(?!{_ALNUM})", re.IGNORECASE),
    )
