"""The checkable facts of a text: numbers with their units, dates, times and part codes, comparable as values.

    "Tighten to 2.1 Nm; kit QC-41-0194 by 4 April 2025."
     → number 2.1 Nm, code QC-41-0194, date 2025-04-04

Two texts state the same fact when their `Fact` objects are equal, however they write it: "4,000 hours" and "4000 h",
"seven" and "7", "17 May 2024" and "2024-05-17".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal

from doyen.core.physical_units import table, unit_at, unit_before
from doyen.core.text import CASELESS

Kind = Literal["number", "date", "time", "code"]


@dataclass(frozen=True)
class Fact:
    """Something in a text that is right or wrong; equal when kind, value and unit are.

    Attributes:
        kind: "number", "date", "time" or "code".
        value: of a number its plain decimal form ("4000", "-0.5"); of a date as much of YYYY-MM-DD as is stated ("2024",
            "2024-05", "--05-17"); of a time "HH:MM"; of a code its upper-case form.
        unit: of a number as in ``physical_units.toml``, or empty.
        text: as written, unit included.
        start: first character in the text.
        end: one past the last character.
    """

    kind: Kind
    value: str
    unit: str = ""
    text: str = field(default="", compare=False)
    start: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)

    def stated_by(self, other: Fact) -> bool:
        """Whether the other fact says this one: equal, or more exact (a whole date says its year, "45 °C" says "45")."""
        if self.kind == "date" or (self.kind == "number" and other.kind == "date"):
            return other.kind == "date" and _date_says(other.value, self)
        if (self.kind, self.value) != (other.kind, other.value):
            return False
        return self.unit in {"", other.unit} or (self.unit == "°" and other.unit in {"°C", "°F"})


def find_facts(text: str) -> list[Fact]:
    """Return the facts of a text in reading order, none overlapping another.

    A decimal point is taken as English writes it, unless the number itself shows otherwise: "4,000" is 4000 and "4.000"
    is 4, but "4.000,5" is 4000.5 and "0,5" is 0.5. The numbers of a range or list share the unit at its end. Numbers of
    list items ("1. Open …") are no facts, nor is a following word that is no known unit a unit.
    """
    plain = _plain(text)
    facts: list[Fact] = []
    position = floor = 0
    while match := _CANDIDATE.search(plain, position):
        fact = _fact(plain, match, floor)
        position = max(fact.end if fact else match.end(), match.start() + 1)
        if fact:
            floor = fact.end
            facts.append(replace(fact, text=text[fact.start : fact.end]))
    return _share_units(plain, facts)


def find_names(text: str) -> list[str]:
    """Return runs of capitalised words that are not merely the first word of a sentence: "Alban Treadgold", "QBus"."""
    return [text[start:end] for start, end in _name_places(text)]


def _name_places(text: str) -> list[tuple[int, int]]:
    places = []
    for match in _NAME.finditer(text):
        name = match.group()
        before = text[max(0, match.start() - 8) : match.start()]
        opens = not before.strip(" \"'“‘(") or bool(_SENTENCE_END.search(before))
        if not opens or " " in name or any(char.isupper() for char in name[1:]):
            places.append(match.span())
    return places


def find_values(text: str) -> list[tuple[int, int]]:
    """Return where the facts and names of a question stand.

    The name of a month belongs to its date, the word that opens the question to none ("Does Arrel fit?"), and "I" is no name.
    """
    facts = [(fact.start, fact.end) for fact in find_facts(text)]
    places = [(start if start or " " not in text[:end] else text.find(" ") + 1, end) for start, end in _name_places(text)]
    return [*facts, *(name for name in places if name[1] - name[0] > 1 and not _overlaps(name, facts))]


def _overlaps(place: tuple[int, int], others: Iterable[tuple[int, int]]) -> bool:
    return any(start < place[1] and place[0] < end for start, end in others)


class Stated:
    """What texts state, to look values up in: ``"45 °C" in Stated(["at 45 degrees Celsius"])``."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = [text.casefold() for text in texts]
        self._facts = [fact for text in texts for fact in find_facts(text)]

    def __contains__(self, value: str) -> bool:
        facts = find_facts(value)
        if not facts:
            return any(value.casefold() in text for text in self._texts)
        return all(any(fact.stated_by(other) for other in self._facts) for fact in facts)


_ALNUM = rf"[^\W_{CASELESS}]"
_LETTER = rf"[^\W\d_{CASELESS}]"
_GROUP = "[,'’\u00a0\u2009\u202f]"
_NUMBER = (
    rf"\d{{1,3}}(?:{_GROUP}\d{{3}})+(?:\.\d+)?(?!\d)"  # 4,000.5
    r"|\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}(?![.,]?\d)"  # 4.000,5  1.234.567
    r"|\d{1,3}(?: \d{3}){2,}(?!\d)|\d{1,3}(?: 0\d\d)(?!\d)"  # 1 234 567  12 000
    r"|\d+[.,]\d+|\d+|\.\d+"
)
_SPACED = re.compile(r"[1-9]\d{0,2} \d{3}(?![.,]?\d)")  # 2 500, if a unit follows
_POWER = r"(?:\s?[x×·*]\s?10(?:\^(?P<power>[-+]?\d+)|(?P<raised>[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+))|[eE](?P<exponent>[-+]?\d+)(?![\w.]))"
_MONTHS = "|".join(sorted(table()["months"], key=len, reverse=True))
_DAY = r"(?P<{}>0?[1-9]|[12]\d|3[01])"
_YEAR = r"(?P<{}>(?:1[5-9]|20)\d\d)"
_DATES = "|".join(
    (
        rf"{_YEAR.format('y1')}-(?P<m1>0[1-9]|1[0-2])-{_DAY.format('d1')}(?!\d|-\d)",
        rf"{_DAY.format('d2')}(?P<mark>[./])(?P<m2>0?[1-9]|[12]\d|3[01])(?P=mark){_YEAR.format('y2')}(?!\d|[./]\d)",
        rf"{_DAY.format('d3')}(?:st|nd|rd|th|\.)?(?:\s+of)?\s+(?P<n3>{_MONTHS})\b\.?(?:,?\s+{_YEAR.format('y3')}\b)?",
        rf"(?P<n4>{_MONTHS})\b\.?\s+{_DAY.format('d4')}(?:st|nd|rd|th)?(?![\d:]|[.,]\d)(?:,?\s+{_YEAR.format('y4')}\b)?",
        rf"(?P<n5>{_MONTHS})\b\.?,?\s+{_YEAR.format('y5')}\b",
        rf"{_YEAR.format('y6')}\s?[年년]\s?(?P<m6>0?[1-9]|1[0-2])\s?[月월](?:\s?{_DAY.format('d6')}\s?[日號号일])?",
        rf"(?P<m7>0?[1-9]|1[0-2])\s?[月월]\s?{_DAY.format('d7')}\s?[日號号일]",
    )
)
_TIME = (
    r"(?P<hour>[01]?\d|2[0-4]):(?P<minute>[0-5]\d)(?::[0-5]\d)?(?![:\d])(?:\s?(?P<half>[ap])\.?m\b\.?)?"
    r"|(?P<hour12>0?[1-9]|1[0-2])\s?(?P<half12>[ap])\.?m\b\.?"
)
_WORDS = "|".join(sorted((*table()["number_words"], "one"), key=len, reverse=True))
_SPELLED = rf"(?P<word>{_WORDS})(?:[- ](?P<ones>one|two|three|four|five|six|seven|eight|nine))?(?!{_ALNUM}|-?{_LETTER}+-)"
_COMPOUND = rf"{_ALNUM}+(?:(?:-|(?<=\d)\.(?=\d)|/(?=\d)){_ALNUM}+)*"
_CANDIDATE = re.compile(
    rf"(?P<loose>(?<![^\W{CASELESS}])[½¼¾⅓⅔⅛]|(?<![\w.])\.\d+)"
    rf"|(?<!{_ALNUM})(?:(?P<date>{_DATES})|(?P<time>{_TIME})|(?P<spelled>{_SPELLED})|(?P<token>{_COMPOUND}))",
    re.IGNORECASE,
)
_QUANTITY = re.compile(rf"(?P<number>{_NUMBER}){_POWER}?(?P<fraction>\s?[½¼¾⅓⅔⅛]|(?:\s\d{{1,2}})?/\d{{1,3}}(?![\d/.]))?")
_POWER_OF_TEN = re.compile(r"10(?:\^(?P<power>[-+]?\d+)|(?P<raised>[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+))")
_LIST_ITEM = re.compile(r"\d{1,2}[.)]\s+\S")
_ORDINAL = re.compile(r"(?:st|nd|rd|th)\b")
_RUNS_ON = re.compile(rf"(?![x×](?!{_ALNUM})|-{_LETTER}{{2}})(?:{_ALNUM}|-{_LETTER})")  # 3B11, 4-A, but not 3x, 3-way
_SERIAL = re.compile(rf"-\d+-\d|-0\d+(?![\d.,]*\d)(?!{_ALNUM})|\.\d")  # 41-22-0880, 41-07, 5.0.4
_SCALE = re.compile(r"\s?((?:hundred|thousand|million|billion|mn|bn)\b|[万萬만亿億억])", re.IGNORECASE)
_BLANKS = re.compile(r"[ \u00a0\u2009\u202f]*(?:\n(?!\s))?")
_JOINT = re.compile(
    r"\s*(?:-|–|—|~|〜|～|±|to|and|or|bis|und|oder|至|到|から|或|和|x|×|/|,|\.\.\.?|…)\s*(?:(?:and|or)\s+)?(?:[~≈±]\s*)?",
    re.IGNORECASE,
)
_JOINED = re.compile(rf"(?:{_ALNUM}|[.)\]%]|\d[{CASELESS}]*)$")
"""What makes a hyphen behind it none of a negative number: 24张-36张, but 温度为-25℃."""
_CALENDAR_YEAR = re.compile(r"(?:1[5-9]|20)\d\d\s?[年년]")
_HYPHENS = str.maketrans("‐‑–−", "----")
_NAME = re.compile(r"(?<![\w-])[A-ZÀ-ÖØ-Þ][\w’'-]*(?: (?:(?:van|von|de|der|la|of) )?[A-ZÀ-ÖØ-Þ][\w’'-]*)*")
_SENTENCE_END = re.compile(r"[.!?:;\n][\"'”’)]*\s*[\"'“‘(]?$")


def _plain(text: str) -> str:
    """Return the text, character for character, with ASCII digits and one form of each look-alike."""
    if text.isascii():
        return text
    same = {"μ": "µ", "\u2126": "Ω", "−": "-", "‑": "-", "‐": "-", "％": "%", "，": ",", "．": "."}
    return "".join(str(unicodedata.decimal(char)) if char.isdecimal() else same.get(char, char) for char in text)


def _fact(text: str, match: re.Match[str], floor: int) -> Fact | None:
    """Return the fact that begins with a candidate, or None where it is an ordinary word; ``floor``: where the last ended."""
    if match["date"]:
        return _made("date", _date(match), match) if _capitalised_month(match) else _number(text, match.start(), floor)
    if match["time"]:
        return _made("time", _time(match), match)
    if match["spelled"]:
        return _spelled(text, match)
    if match["loose"]:
        return _number(text, match.start(), floor)
    token = match["token"]
    if not any(char.isdigit() for char in token):
        return _made("code", token.upper(), match) if _bare_code(token) else None
    if text[match.start()].isdigit() and (found := _number(text, match.start(), floor)):
        return found
    return _code(token, match.start())


def _capitalised_month(match: re.Match[str]) -> bool:
    """Whether a named month begins as a name does: "you may 5 times" is no date."""
    names = [match[f"n{number}"] for number in "345" if match[f"n{number}"]]
    return all(name[0].isupper() for name in names)


def _made(kind: Kind, value: str, match: re.Match[str]) -> Fact:
    return Fact(kind, value, start=match.start(), end=match.end())


def _bare_code(token: str) -> bool:
    """Whether a token without digits is a code: LD-VB, USB-C."""
    parts = token.split("-")
    return len(parts) > 1 and all(part.isupper() for part in parts) and len(parts[0]) > 1


def _code(token: str, start: int) -> Fact:
    head, _, _ = token.partition("/")
    if not any(char.isdigit() for char in head):
        token = head  # "and/2B": the slash joins words, not parts of a code
    if not any(char.isdigit() for char in token):
        return Fact("code", "", start=start, end=start + len(token))
    return Fact("code", token.translate(_HYPHENS).upper(), start=start, end=start + len(token))


def _number(text: str, start: int, floor: int) -> Fact | None:
    """Return the number at ``start`` with its unit, or None where the digits begin a code (3B11, 41-22-0880, 0336)."""
    opens_line = not text[text.rfind("\n", 0, start) + 1 : start].strip()
    if opens_line and (item := _LIST_ITEM.match(text, start)):
        return Fact("number", "", start=start, end=item.end() - 1)
    power = _POWER_OF_TEN.match(text, start)
    match = None if power else _QUANTITY.match(text, start)
    if power:
        value, end = Decimal(10) ** _exponent(power["power"] or power["raised"]), power.end()
    elif match:
        value, end = _decimal(match["number"]), match.end()
        if (spaced := _SPACED.match(text, start)) and _unit_after(text, spaced.end())[0]:
            value, end = _decimal(spaced.group()), spaced.end()
        if exponent := match["power"] or match["raised"] or match["exponent"]:
            value = value.scaleb(_exponent(exponent))
        if match["fraction"]:
            value = _with_fraction(value, match["fraction"])
    elif text[start] in _VULGAR:
        value, end = _VULGAR[text[start]], start + 1
    else:
        return None
    if scale := _SCALE.match(text, end):
        value, end = value * table()["multipliers"][scale[1].lower()], scale.end()
    if (match and re.fullmatch(r"0\d+", match["number"])) or _SERIAL.match(text, end):
        return None
    return _with_unit(text, start, end, value, floor)


def _with_unit(text: str, start: int, end: int, value: Decimal, floor: int) -> Fact | None:
    """Return the number with sign and unit, or None where it runs on as a code."""
    unit, finish = _unit_after(text, end)
    if _CALENDAR_YEAR.match(text, start):
        unit, finish = "", end
    if not unit:
        finish = end
        if ordinal := _ORDINAL.match(text, end):
            finish = ordinal.end()
        elif _RUNS_ON.match(text, end):
            return None
    begin = start
    if not unit and (before := unit_before(text, _unsigned(text, start), floor)):
        unit, begin = before
    if start > floor and text[start - 1] == "-" and not _JOINED.search(text[max(0, start - 8) : start - 1]):
        value, begin = -value, min(begin, start - 1)
    return Fact("number", _canonical(value), unit, start=begin, end=finish)


def _unsigned(text: str, start: int) -> int:
    return start - 1 if start and text[start - 1] in "-+" else start


def _unit_after(text: str, end: int) -> tuple[str, int]:
    """Return the unit behind a number and where it ends: attached, after blanks, or a word after a hyphen."""
    blanks = _BLANKS.match(text, end)
    found = unit_at(text, blanks.end() if blanks else end)
    if found is None and text[end : end + 1] == "-":
        word = unit_at(text, end + 1)
        found = word if word and word[1] - end > 3 else None
    return found or ("", end)


def _decimal(digits: str) -> Decimal:
    """Return the value of a number as written; see ``find_facts`` for points and commas."""
    digits = re.sub("['’ \u00a0\u2009\u202f]", "", digits)
    if re.fullmatch(r"\d{1,3}(?:\.\d{3})+,\d+", digits):
        return Decimal(digits.replace(".", "").replace(",", "."))
    if re.fullmatch(r"\d{1,3}(?:\.\d{3}){2,}", digits):
        return Decimal(digits.replace(".", ""))
    if re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", digits):
        return Decimal(digits.replace(",", ""))
    return Decimal(digits.replace(",", "."))


_VULGAR = {
    "½": Decimal("0.5"),
    "¼": Decimal("0.25"),
    "¾": Decimal("0.75"),
    "⅓": Decimal(1) / 3,
    "⅔": Decimal(2) / 3,
    "⅛": Decimal("0.125"),
}
_RAISED = str.maketrans("⁻⁺⁰¹²³⁴⁵⁶⁷⁸⁹", "-+0123456789")


def _exponent(text: str) -> int:
    return max(-300, min(300, int(text.translate(_RAISED)[:6])))


def _with_fraction(value: Decimal, fraction: str) -> Decimal:
    fraction = fraction.strip()
    if fraction in _VULGAR:
        return value + _VULGAR[fraction]
    above, _, below = fraction.partition("/")
    if not int(below):
        return value
    return value + Decimal(above) / int(below) if above else value / int(below)


def _canonical(value: Decimal) -> str:
    text = format(value.normalize(), "f")
    return "0" if text in {"-0", "0"} else text


def _spelled(text: str, match: re.Match[str]) -> Fact | None:
    """Return a number in words; "one" is mostly no number and counts before a unit only."""
    words = table()["number_words"]
    first = match["word"].lower()
    value, end = (1 if first == "one" else words[first]), match.end("word")
    if match["ones"] and value >= 20:
        ones = match["ones"].lower()
        value, end = value + (1 if ones == "one" else words[ones]), match.end("ones")
    scale = _SCALE.match(text, end)
    if scale:
        value, end = value * table()["multipliers"][scale[1].lower()], scale.end()
    unit, finish = _unit_after(text, end)
    if first == "one" and not unit and not scale:
        return None
    return Fact("number", str(value), unit, start=match.start(), end=finish)


def _date(match: re.Match[str]) -> str:
    """Return a date in ISO form; 05/04/2024 has the day first, unless the second number is no month."""
    parts = match.groupdict()
    if parts["y2"] and int(parts["m2"]) > 12:
        parts["d2"], parts["m2"] = parts["m2"], parts["d2"]
    year = next((parts[f"y{n}"] for n in "123456" if parts[f"y{n}"]), None)
    name = next((parts[f"n{n}"] for n in "345" if parts[f"n{n}"]), None)
    month = table()["months"][name.lower()] if name else int(next(parts[f"m{n}"] for n in "1267" if parts[f"m{n}"]))
    day = next((parts[f"d{n}"] for n in "123467" if parts[f"d{n}"]), None)
    return f"{year or '-'}-{month:02d}" + (f"-{int(day):02d}" if day else "")


def _date_says(stated: str, wanted: Fact) -> bool:
    if wanted.kind == "date":
        return stated == wanted.value or stated.startswith(f"{wanted.value}-") or stated.endswith(wanted.value.lstrip("-"))
    return (
        wanted.kind == "number" and not wanted.unit and wanted.value in {str(int(part)) for part in stated.split("-") if part}
    )


def _time(match: re.Match[str]) -> str:
    hour, minute = int(match["hour"] or match["hour12"]), match["minute"] or "00"
    half = (match["half"] or match["half12"] or "").lower()
    if half and hour <= 12:
        hour = hour % 12 + (12 if half == "p" else 0)
    return f"{hour:02d}:{minute}"


def _share_units(text: str, facts: Iterable[Fact]) -> list[Fact]:
    """Give numbers without a unit that of the range or list that they begin: "6.2 to 7.0 ohms", "3 × 5 mm"."""
    found: list[Fact] = []
    for fact in reversed([fact for fact in facts if fact.value]):
        follower = found[-1] if found else None
        if follower and _shares(fact, follower) and _JOINT.fullmatch(text, fact.end, follower.start):
            fact = replace(fact, unit=follower.unit)
        found.append(fact)
    return found[::-1]


def _shares(fact: Fact, follower: Fact) -> bool:
    return fact.kind == follower.kind == "number" and not fact.unit and bool(follower.unit)
