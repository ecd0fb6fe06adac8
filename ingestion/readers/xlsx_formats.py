"""Values of cells as a spreadsheet shows them: dates, percentages, currencies, thousands and decimals by their number format.

Formats are those of ECMA-376, part 1, 18.8.31. Fractions, elapsed hours and locale names of months are not rendered: such
values are shown plainly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|_.|\*.|\[\$(?P<currency>[^\]\-]*)(?:-[^\]]*)?\]|\[[^\]]*\]'
    r"|(?P<digits>[0#?](?:[0#?,]*[0#?])?(?:\.[0#?]*)?(?:E[+\-]0+)?|\.[0#?]+)|(?P<scale>,+)|(?P<percent>%)|(?P<other>.)",
    re.DOTALL,
)
_DATE_PART = re.compile(
    r'"([^"]*)"|\\(.)|\[(?![hms]+\])[^\]]*\]|(AM/PM|A/P)|(y+|m+|d+|h+|s+(?:\.0+)?)|(.)', re.IGNORECASE | re.DOTALL
)
_SECTION_PART = re.compile(r'"[^"]*"|\\.|[^;]', re.DOTALL)
SHOWN_DIGITS = 11
"""Significant digits that the format General shows."""


@dataclass(frozen=True)
class NumberFormat:
    """One section of a number format: what stands before and after the figure, and how the figure is written."""

    before: str
    after: str
    figures: bool
    whole: int
    decimals: int
    optional: int
    thousands: bool
    scale: int
    exponent: int


def shown_value(value: Any, number_format: str) -> str:
    """Return a cell's value as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (datetime, date, time)):
        return _shown_date(value, number_format)
    if isinstance(value, timedelta):
        return _elapsed(value)
    if isinstance(value, (int, float)):
        return _shown_number(value, number_format)
    return str(value)


def _shown_number(value: int | float, number_format: str) -> str:
    sections = _sections(number_format)
    section = sections[0]
    own_sign = False
    if value < 0 and len(sections) > 1:
        section, own_sign = sections[1], True
    elif value == 0 and len(sections) > 2:
        section = sections[2]
    parsed = _parse(section)
    if parsed is None:
        return _general(value)
    if not parsed.figures:
        return (parsed.before + parsed.after).strip()
    figure = Decimal(repr(abs(value))) if value == value and abs(value) != float("inf") else None
    if figure is None or figure.adjusted() > 300:
        return _general(value)
    sign = "-" if value < 0 and not own_sign else ""
    percent = (parsed.before + parsed.after).count("%")
    figure = figure.scaleb(2 * percent - 3 * parsed.scale)
    text = _scientific(figure, parsed) if parsed.exponent else _fixed(figure, parsed)
    if not any(digit in "123456789" for digit in text):
        sign = ""
    return f"{sign}{parsed.before}{text}{parsed.after}".strip()


def _fixed(figure: Decimal, parsed: NumberFormat) -> str:
    most = parsed.decimals + parsed.optional
    rounded = figure.quantize(Decimal(1).scaleb(-most), ROUND_HALF_UP) if figure.adjusted() + most < 27 else figure
    whole, _, decimals = f"{rounded:f}".partition(".")
    decimals = decimals[: parsed.decimals] + decimals[parsed.decimals :].rstrip("0")
    whole = whole.lstrip("0").rjust(parsed.whole, "0")
    if parsed.thousands:
        whole = re.sub(r"(?<=\d)(?=(?:\d{3})+$)", ",", whole)
    return f"{whole}.{decimals}" if decimals else whole or "0"


def _scientific(figure: Decimal, parsed: NumberFormat) -> str:
    mantissa, _, exponent = f"{figure:.{parsed.decimals + parsed.optional}E}".partition("E")
    return f"{mantissa}E{exponent[0]}{exponent[1:].rjust(parsed.exponent, '0')}"


def _general(value: int | float) -> str:
    if isinstance(value, int):
        return str(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.{SHOWN_DIGITS}g}"


@lru_cache(maxsize=1024)
def _sections(number_format: str) -> tuple[str, ...]:
    sections, position = [""], 0
    text = number_format[:255]
    while position < len(text):
        part = _SECTION_PART.match(text, position)
        if part is None:
            sections.append("")
        else:
            sections[-1] += part.group()
        position = part.end() if part else position + 1
    return tuple(sections[:4])


@lru_cache(maxsize=4096)
def _parse(section: str) -> NumberFormat | None:
    """Return a section in parts; None where it is General or cannot be rendered."""
    if "general" in section.lower() or "/" in re.sub(r'"[^"]*"|\\.', "", section) or "@" in section:
        return None
    before, after, digits, scale = "", "", "", 0
    for match in _TOKEN.finditer(section):
        if match["digits"]:
            if digits:
                return None
            digits = match["digits"]
        elif match["scale"]:
            scale += len(match["scale"]) if digits else 0
        else:
            text = match["quoted"] or match["escaped"] or match["currency"] or match["percent"] or match["other"] or ""
            before, after = (before, after + text) if digits else (before + text, after)
    mantissa, _, exponent = digits.partition("E")
    whole, _, decimals = mantissa.partition(".")
    fixed = len(decimals) - len(decimals.lstrip("0"))
    return NumberFormat(
        before=before,
        after=after,
        figures=bool(digits),
        whole=whole.count("0"),
        decimals=fixed,
        optional=len(decimals) - fixed,
        thousands="," in whole,
        scale=scale,
        exponent=len(exponent.lstrip("+-")),
    )


def _shown_date(value: datetime | date | time, number_format: str) -> str:
    """Return a date as its format shows it; one without month and day or time is written as in ISO 8601."""
    parts, twelve = _date_parts(number_format)
    if not parts:
        return value.isoformat(sep=" ").removesuffix(" 00:00:00") if isinstance(value, datetime) else value.isoformat()
    return "".join(text if is_text else _date_field(value, text, twelve) for text, is_text in parts).strip()


@lru_cache(maxsize=1024)
def _date_parts(number_format: str) -> tuple[tuple[tuple[str, bool], ...], bool]:
    """Return a date format as (field or text, whether it is text), and whether hours are counted to twelve.

    Minutes are written n, to tell them from months: m after hours or before seconds. AM and PM are the field p.
    """
    found = [match.groups() for match in _DATE_PART.finditer(_sections(number_format)[0])]
    fields = [field.lower() for _, _, _, field, _ in found if field]
    if not fields:
        return (), False
    parts, seen = [], 0
    for quoted, escaped, half, field, other in found:
        if field:
            name, before = fields[seen], fields[seen - 1] if seen else ""
            after = fields[seen + 1] if seen + 1 < len(fields) else ""
            seen += 1
            minutes = name[0] == "m" and len(name) <= 2 and (before.startswith("h") or after.startswith("s"))
            parts.append(("n" * len(name) if minutes else name, False))
        elif half:
            parts.append(("pp" if len(half) > 3 else "p", False))
        else:
            parts.append((quoted or escaped or (other if other and other not in "_*@[]" else ""), True))
    return tuple(parts), any(half for _, _, half, _, _ in found)


def _date_field(value: datetime | date | time, name: str, twelve: bool) -> str:
    hour, minute, second = (getattr(value, part, 0) for part in ("hour", "minute", "second"))
    if name[0] == "p":
        return ("PM" if hour >= 12 else "AM")[: len(name)]
    if name[0] == "h":
        shown = (hour % 12 or 12) if twelve else hour
        return f"{shown:0{min(2, len(name))}}"
    if name[0] == "n":
        return f"{minute:0{len(name)}}"
    if name[0] == "s":
        whole, _, decimals = name.partition(".")
        fraction = f".{getattr(value, 'microsecond', 0):06}"[: 1 + len(decimals)] if decimals else ""
        return f"{second:0{min(2, len(whole))}}{fraction}"
    if isinstance(value, time):
        return ""
    codes = {"y": "%Y" if len(name) > 2 else "%y", "m": ("", "", "", "%b", "%B", "%b")[min(5, len(name))]}
    codes["d"] = ("", "", "", "%a", "%A")[min(4, len(name))]
    if code := codes[name[0]]:
        return value.strftime(code)
    return f"{value.month if name[0] == 'm' else value.day:0{len(name)}}"


def _elapsed(value: timedelta) -> str:
    seconds = round(value.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
