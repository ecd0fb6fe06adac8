"""Styles and list numbers of a Word document: what a paragraph takes from its style, and the number that Word prints."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
HEADING_STYLE = re.compile(r"^(?:heading|überschrift|titre|título|titolo|nagłówek|rubrik|kop)\s*(\d)", re.IGNORECASE)
LIST_STYLE = re.compile(r"^list\b|^listen|aufzählung", re.IGNORECASE)
TITLES = frozenset(("title", "titel", "titre"))
DEEPEST_LEVEL = 9
_PLACE = re.compile(r"%([1-9])")


def value_of(element: Any, path: str) -> str | None:
    """Return the ``w:val`` of an element below, "" if it has none, None if there is no such element."""
    child = None if element is None else element.find("/".join(W + name for name in path.split("/")))
    return None if child is None else child.get(f"{W}val", "")


def is_on(element: Any, path: str) -> bool | None:
    """Return whether a switch such as ``w:vanish`` is on; None if it is not set."""
    value = value_of(element, path)
    return None if value is None else value.lower() not in ("0", "false", "off")


def alignment(element: Any) -> str | None:
    """Return "superscript" or "subscript" for text that stands raised or lowered, "" for text on the line; None if not set."""
    align, shift = value_of(element, "rPr/vertAlign"), value_of(element, "rPr/position")
    if align is not None or shift is None:
        return align
    return {"-": "subscript", "0": ""}.get(shift[:1], "superscript")


def is_struck(element: Any) -> bool | None:
    """Return whether text is struck out, by one line or two; None if neither is set."""
    lines = [line for line in (is_on(element, "rPr/strike"), is_on(element, "rPr/dstrike")) if line is not None]
    return any(lines) if lines else None


@dataclass(frozen=True)
class Style:
    """What matters of a style, with what it inherits."""

    name: str = ""
    hidden: bool = False
    struck: bool = False
    align: str = ""
    outline: int | None = None
    number: str | None = None
    depth: int = 0


@dataclass(frozen=True)
class Level:
    """A level of a list: how its numbers look and where they start."""

    form: str = "decimal"
    text: str = "%1."
    start: int = 1


class Styles:
    """The styles of a document by their ids."""

    def __init__(self, root: Any) -> None:
        self._elements = {} if root is None else {style.get(f"{W}styleId"): style for style in root.iter(f"{W}style")}
        self._known: dict[str, Style] = {}
        default = (id_ for id_, element in self._elements.items() if _is_default_paragraph(element))
        self._default = next(default, "")

    def of_paragraph(self, paragraph: Any) -> Style:
        """Return the style of a paragraph."""
        return self.get(value_of(paragraph, "pPr/pStyle") or self._default)

    def get(self, style_id: str) -> Style:
        """Return a style; an empty one for an unknown id."""
        if style_id not in self._known:
            chain: list[Any] = []
            current: str | None = style_id
            while current in self._elements and self._elements[current] not in chain:
                chain.append(self._elements[current])
                current = value_of(chain[-1], "basedOn")
            style = Style()
            for element in reversed(chain):
                style = _refined(style, element)
            self._known[style_id] = style
        return self._known[style_id]


def _is_default_paragraph(element: Any) -> bool:
    return element.get(f"{W}type") == "paragraph" and element.get(f"{W}default") in ("1", "true")


def _refined(base: Style, element: Any) -> Style:
    outline, depth = value_of(element, "pPr/outlineLvl"), value_of(element, "pPr/numPr/ilvl")
    number = value_of(element, "pPr/numPr/numId")
    hidden, struck = is_on(element, "rPr/vanish"), is_struck(element)
    align = alignment(element)
    return Style(
        name=value_of(element, "name") or "",
        hidden=base.hidden if hidden is None else hidden,
        struck=base.struck if struck is None else struck,
        align=base.align if align is None else align,
        outline=int(outline) if outline and outline.isdigit() else base.outline,
        number=base.number if number is None else number,
        depth=int(depth) if depth and depth.isdigit() else base.depth,
    )


def heading_level(paragraph: Any, style: Style) -> int:
    """Return the level, from 1, that a paragraph has as a heading; 0 if it is none."""
    if style.name.lower() in TITLES:
        return 1
    if match := HEADING_STYLE.match(style.name):
        return min(6, max(1, int(match.group(1))))
    own = value_of(paragraph, "pPr/outlineLvl")
    outline = int(own) if own and own.isdigit() else style.outline
    return min(6, outline + 1) if outline is not None and outline < DEEPEST_LEVEL else 0


@dataclass
class Numbering:
    """Counts list items as Word prints them. Lists of one definition go on counting unless a start is set for them."""

    levels: dict[str, dict[int, Level]] = field(default_factory=dict)
    abstract: dict[str, str] = field(default_factory=dict)
    restarts: dict[str, dict[int, int]] = field(default_factory=dict)
    _counts: dict[str, dict[int, int]] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Any) -> Numbering:
        """Return the numbering that the part ``numbering.xml`` defines; None gives an empty one."""
        numbering = cls()
        if root is None:
            return numbering
        definitions = {item.get(f"{W}abstractNumId", ""): _levels(item) for item in root.iter(f"{W}abstractNum")}
        for num in root.iter(f"{W}num"):
            number, abstract = num.get(f"{W}numId", ""), value_of(num, "abstractNumId") or ""
            levels = dict(definitions.get(abstract, {}))
            for override in num.findall(f"{W}lvlOverride"):
                depth = _integer(override.get(f"{W}ilvl"), 0)
                levels.update(_levels(override))
                start = value_of(override, "startOverride")
                if start is not None:
                    numbering.restarts.setdefault(number, {})[depth] = _integer(start, 1)
            numbering.levels[number], numbering.abstract[number] = levels, abstract
        return numbering

    def mark(self, paragraph: Any, style: Style, *, heading: bool) -> str:
        """Return what Word prints before a paragraph: "- " for bullets, "3. ", "4.2 ", or an empty string."""
        number = value_of(paragraph, "pPr/numPr/numId") or style.number
        own_depth = value_of(paragraph, "pPr/numPr/ilvl")
        depth = min(_integer(own_depth, style.depth), DEEPEST_LEVEL - 1)
        if number is None:
            listed = LIST_STYLE.match(style.name) and "continue" not in style.name.lower()
            return "- " if listed and not heading else ""
        if number == "0":
            return ""
        levels = self.levels.get(number, {})
        level = levels.get(depth)
        if level is None:
            level = Level() if "number" in style.name.lower() else Level("bullet")
        if level.form in ("bullet", "none") or not level.text:
            return "" if heading or level.form == "none" else "- "
        counts = self._count(number, depth, levels)
        printed = _PLACE.sub(lambda place: _printed(counts, int(place.group(1)) - 1, levels), level.text).strip()
        return f"{printed} " if printed else ""

    def _count(self, number: str, depth: int, levels: dict[int, Level]) -> dict[int, int]:
        """Count one more item at this depth; deeper levels begin anew."""
        counts = self._counts.setdefault(self.abstract.get(number, number), {})
        for level, start in self.restarts.pop(number, {}).items():
            counts[level] = start - 1
        for above in range(depth):
            counts.setdefault(above, levels.get(above, Level()).start)
        counts[depth] = counts.get(depth, levels.get(depth, Level()).start - 1) + 1
        for deeper in [level for level in counts if level > depth]:
            del counts[deeper]
        return counts


def _levels(element: Any) -> dict[int, Level]:
    found = {}
    for level in element.findall(f"{W}lvl"):
        text = value_of(level, "lvlText")
        found[_integer(level.get(f"{W}ilvl"), 0)] = Level(
            value_of(level, "numFmt") or "decimal",
            "%1." if text is None else text,
            _integer(value_of(level, "start"), 1),
        )
    return found


def _integer(value: str | None, default: int) -> int:
    return int(value) if value is not None and value.isascii() and value.isdigit() and len(value) < 9 else default


def _printed(counts: dict[int, int], depth: int, levels: dict[int, Level]) -> str:
    form = levels.get(depth, Level()).form
    count = counts.get(depth, 0)
    return _FORMS.get(form, str)(count)


def roman(number: int) -> str:
    """Return a number from 1 to 3999 in Roman figures, others as they are."""
    if not 0 < number < 4000:
        return str(number)
    values = (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1)
    signs = ("M", "CM", "D", "CD", "C", "XC", "L", "XL", "X", "IX", "V", "IV", "I")
    written = ""
    for value, sign in zip(values, signs, strict=True):
        written += sign * (number // value)
        number %= value
    return written


def _letters(number: int) -> str:
    """A to Z, then AA to ZZ, as Word counts."""
    return chr(65 + (number - 1) % 26) * min((number - 1) // 26 + 1, 20) if number > 0 else str(number)


_FORMS: dict[str, Callable[[int], str]] = {
    "upperRoman": roman,
    "lowerRoman": lambda number: roman(number).lower(),
    "upperLetter": _letters,
    "lowerLetter": lambda number: _letters(number).lower(),
    "decimalZero": lambda number: f"{number:02}",
}
