"""Raised and lowered characters in plain text: 10 with a raised 6 becomes ``10^6``, never ``106``.

Readers put marks around what stands raised or lowered; ``resolve_marks`` writes it out once the neighbours are known.
``^`` and not "⁶" stands behind figures: Unicode's compatibility normalisation, which searches and comparisons use, would
make 106 of 10⁶. Behind the short letters of a unit the raised sign stays as it is printed: m², s⁻¹.
"""

from __future__ import annotations

import re

# Unicode's noncharacters are meant for such internal use; they never stand in a document.
RAISED, LOWERED, END = "\ufdd0", "\ufdd1", "\ufdd2"
GAP = "\ufdd3"
"""Stands where struck-out text stood: what is left and right of it becomes no word and no figure."""

DEEPEST = 3
"""Exponents of exponents that are written out; deeper ones lose their mark."""
_MARKED = re.compile(f"([{RAISED}{LOWERED}])([^{RAISED}{LOWERED}{END}]*){END}")
_PARTED = re.compile(f"(?<=[\\w{END}]){GAP}+(?=\\w)")
_LEFT = re.compile(f"[{RAISED}{LOWERED}{END}]")
_UNIT = re.compile(r"(?<![^\W\d_])[^\W\d_]{1,3}$")
_SIMPLE = re.compile(r"[-+−–]?[\w.,]+[-+−]?")
_SIGNS = re.compile(r"[^\w\s+\-−–=()<>/^]+")
_SUPERSCRIPTS = str.maketrans("0123456789+-−–", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻")
_WORDS = {"TM": "™", "SM": "℠"}
_ORDINALS = frozenset(("st", "nd", "rd", "th"))


def raised(text: str) -> str:
    """Return the text marked as raised."""
    return f"{RAISED}{text}{END}" if text.strip() else text


def lowered(text: str) -> str:
    """Return the text marked as lowered."""
    return f"{LOWERED}{text}{END}" if text.strip() else text


def resolve_marks(text: str) -> str:
    """Return the text with marked stretches written out: 10^6, 25^1, m², H2O, log_2 8; struck-out ones are left out."""
    if GAP in text:
        text = _PARTED.sub(" ", text).replace(GAP, "")
    if END not in text:
        return text
    parts: list[str] = []
    open_mark = ""
    # Word cuts one raised stretch into several runs: an end followed by a beginning of the same kind is no end.
    for part in re.split(f"({_LEFT.pattern})", text):
        if part in (RAISED, LOWERED):
            if parts and parts[-1] == END and open_mark == part:
                parts.pop()
            else:
                parts.append(part)
            open_mark = part
        elif part:
            parts.append(part)
    text = "".join(parts)
    for _ in range(DEEPEST):
        text = _MARKED.sub(_written, text)
    return _LEFT.sub("", text)


def _written(match: re.Match[str]) -> str:
    mark, text = match.group(1), match.group(2)
    before, after = match.string[max(0, match.start() - 12) : match.start()], match.string[match.end() : match.end() + 1]
    return _raised(text.strip(), before, after) if mark == RAISED else _lowered(text, before, after)


def _raised(text: str, before: str, after: str) -> str:
    behind_digit = before[-1:].isdigit()
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "[(":
        return text  # the mark of a note
    if _SIGNS.fullmatch(text) or (behind_digit and text.lower() in _ORDINALS):
        return text
    if behind_digit and text in "oO0º" and after in ("C", "F"):
        return "°"
    written = text.translate(_SUPERSCRIPTS)
    if _UNIT.search(before) and not any(letter in text for letter in written):
        return written
    # A figure right behind would run into the exponent.
    space = " " if after.isalnum() else ""
    return (f"^{text}" if _SIMPLE.fullmatch(text) else f"^({text})") + space


def _lowered(text: str, before: str, after: str) -> str:
    """H2O and CO2 as everyone types them; a mark only where two figures would become one."""
    if before[-1:].isdigit() and text[:1].isdigit():
        return f"_{text}"
    return f"_{text} " if text[-1:].isdigit() and after.isdigit() else text
