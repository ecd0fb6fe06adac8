"""Cleaning of text before its offsets are defined: mojibake, control characters, white space, line-end hyphens.

Words are never changed beyond repair of damage: no case folding, no replacement of quotation marks or dashes, so that a
quote from the original is found in the parsed text once white space is made single.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable

import ftfy
from ftfy.badness import is_bad

INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff\ufffe\u061c\u202a-\u202e\u2066-\u2069]")
"""Soft hyphen, zero-width and bidirectional marks. Zero-width joiners stay: scripts and emoji need them."""
CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f]")
LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
SPACES = re.compile(r"[^\S\n]+")
EMPTY_LINES = re.compile(r"\n{3,}")
_REPAIR = ftfy.TextFixerConfig(
    unescape_html=False,
    remove_terminal_escapes=True,
    fix_latin_ligatures=False,
    fix_character_width=False,
    uncurl_quotes=False,
    fix_line_breaks=False,
    remove_control_chars=False,
    normalization=None,
)


def repair_text(text: str) -> str:
    """Return the text with line feeds alone as line ends, mojibake repaired, control and invisible characters gone, in NFC."""
    text = LINE_ENDS.sub("\n", text)
    if is_bad(text):
        # Line by line: one damaged paragraph must not make ftfy guess about sound ones.
        text = "\n".join(ftfy.fix_text(line, _REPAIR) if is_bad(line) else line for line in text.split("\n"))
    text = CONTROLS.sub(" ", INVISIBLE.sub("", text))
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def single_spaced(text: str) -> str:
    """Return the text on one line with single spaces."""
    return " ".join(text.split())


def tidy_lines(text: str) -> str:
    """Return the text with single spaces in each line, no spaces at line ends, at most one empty line in a row."""
    lines = "\n".join(line.strip() for line in SPACES.sub(" ", text).split("\n"))
    return EMPTY_LINES.sub("\n\n", lines).strip("\n")


LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})
_HARD_BREAK = re.compile(r"([^\W\d_]{2,})-$")
_WORD = re.compile(r"[^\W\d_]+")


def join_lines(lines: list[str], vocabulary: Container[str] = ()) -> str:
    """Join printed lines to one paragraph, undoing the hyphenation at line ends.

    Args:
        lines: the printed lines.
        vocabulary: lower-case words and hyphenated compounds that stand whole elsewhere in the document. They decide
            whether "tax-" and "related" are "tax-related" or one word.
    """
    joined = ""
    for line in map(str.strip, lines):
        if joined.endswith("\u00ad"):
            joined = joined[:-1] + line
        elif joined.endswith("-") and joined[-2:-1].isalnum() and line[:1].isalnum():
            joined = (joined if _keeps_hyphen(joined, line, vocabulary) else joined[:-1]) + line
        else:
            joined = f"{joined} {line}" if joined else line
    return joined.replace("\u00ad", "")


def line_vocabulary(lines: Iterable[str]) -> set[str]:
    """Return the words and compounds of printed lines, without those that a line end cuts."""
    words: set[str] = set()
    cut = False
    for line in lines:
        found = line.lower().split()
        cut, kept = line.endswith(("-", "\u00ad")), found[1 if cut else 0 :]
        words.update(word.strip(".,;:()“”\"'") for word in (kept[:-1] if cut else kept))
    return words


def _keeps_hyphen(before: str, after: str, vocabulary: Container[str]) -> bool:
    first, second = _HARD_BREAK.search(before), _WORD.match(after)
    if first is None or second is None or first.group(1).isupper() or not second.group()[0].islower():
        return True  # a code, a range or a name: QC-41-0238, AA-rated, Non-GAAP
    left, right = first.group(1).lower(), second.group().lower()
    if f"{left}-{right}" in vocabulary:
        return True
    if f"{left}{right}" in vocabulary:
        return False
    return left in COMPOUND_PREFIXES or (left in vocabulary and right in vocabulary)


_PREFIXES = """
long short high low non self well half multi cross pre post re co anti mid full part two three four year day month week one
first second third fourth end out in on up off real time cost risk tax cash
"""
COMPOUND_PREFIXES = frozenset(_PREFIXES.split())
"""First halves that English writes with a hyphen more often than without: their hyphen at a line end stays."""
