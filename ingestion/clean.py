"""Cleaning of text before its offsets are defined: mojibake, control characters, white space, line-end hyphens.

Words are never changed beyond repair of damage: no case folding, no replacement of quotation marks or dashes, so that a
quote from the original is found in the parsed text once white space is made single.
"""

from __future__ import annotations

import re
import unicodedata

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
_SOFT_BREAK = re.compile(r"(?<=\w)[\u00ad\u0002\ufffe]\s*")
_HARD_BREAK = re.compile(r"([^\W\d_]{2,})-$")


def join_lines(lines: list[str]) -> str:
    """Join printed lines to one paragraph, undoing the hyphenation at line ends.

    A soft hyphen always goes. After a hard one the halves are joined when the next line starts with a lower-case letter
    unless the compound stands elsewhere in the paragraph with a hyphen ("long-" and "term" keep it when
    "long-term" occurs) or the first half is one that is mostly written with a hyphen.
    """
    whole = " ".join(lines)
    joined = ""
    for line in lines:
        line = line.strip()
        if not joined:
            joined = line
            continue
        broken = _HARD_BREAK.search(joined)
        following = re.match(r"[^\W\d_]+", line)
        if joined[-1] in "\u00ad\u0002\ufffe":
            joined = joined[:-1] + line
        elif broken and following and following.group()[0].islower():
            compound = f"{broken.group(1)}-{following.group()}"
            keep = compound.lower() in whole.lower() or broken.group(1).lower() in COMPOUND_PREFIXES
            joined = joined + line if keep else joined[:-1] + line
        else:
            joined = f"{joined} {line}"
    return _SOFT_BREAK.sub("", joined)


_PREFIXES = """
long short high low non self well half multi cross pre post re co anti mid full part two three four year day month week one
first second third fourth end out in on up off real time cost risk tax cash
"""
COMPOUND_PREFIXES = frozenset(_PREFIXES.split())
"""First halves that English writes with a hyphen more often than without: their hyphen at a line end stays."""
