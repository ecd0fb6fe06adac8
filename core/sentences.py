"""Cutting a text into sentences by punctuation, without a language model: decimals and abbreviations stay whole.

A sentence cut too late costs little (the chunk is a bit longer); one cut too early may part an answer. So a full stop ends
a sentence only where what follows looks like a beginning and what precedes does not look like an abbreviation.

    "Wait approx. 5 min. Then open it."  →  "Wait approx. 5 min. |Then open it."
"""

from __future__ import annotations

import re

_ABBREVIATIONS = """
al approx art ave bzw ca cf ch chap co corp dept dr ed eds e.g eg eq eqs est etc ex exp fig figs gen hr i.e ie inc incl jr kap
lt ltd max min mr mrs ms no nos nr op p par pos pp prof ref refs resp rev s.a sec sect seq sgt sp spp sr st str suppl syn
tab tel temp u.a usw var viz vol vols vs z.b abb bspw d.h evtl ggf inkl mind sog vgl zzgl
"""
ABBREVIATIONS = frozenset(_ABBREVIATIONS.split())
_CANDIDATE = re.compile(
    r"(?P<latin>(?<![.!?…])[.!?…]++[\"'”’»)\]]*+\s++)"  # needs white space behind it; a run is tried once, at its beginning
    r"|(?P<other>[。！？｡؟۔।॥]+[\"'”’»」』）\]]*\s*)"  # scripts that may do without
    r"|(?P<line>\n+)"
)
_PLAIN = re.compile(r"(?<=[.!?])[\"'’”)\]]*\s+(?=[\"'‘“(\[]?[A-Z0-9À-Þ])|(?<=[。！？])|\n+")
_OPENING = "\"'“‘«(["
_LAST_WORD = re.compile(r"([^\s(\[\"'“‘«]+)$")


def sentence_ends(text: str, *, abbreviations: bool = True) -> list[int]:
    """Return the positions after which ``text`` may be cut, in order; the last one is its length.

    Args:
        abbreviations: whether "approx. 5" and "Dr. Weiss" stay whole. The retrieval index cuts there: its short parts are
            joined to the next ones anyway, its format and all published figures were measured so.
    """
    if not abbreviations:
        return [*(match.end() for match in _PLAIN.finditer(text)), len(text)]
    inner = [match for match in _CANDIDATE.finditer(text) if match.end() < len(text)]
    ends = [match.end() for match in inner if match["other"] or match["line"] or _ends_sentence(text, match)]
    return [*ends, len(text)]


def _ends_sentence(text: str, match: re.Match[str]) -> bool:
    following = text[match.end() : match.end() + 4].lstrip(_OPENING)[:1]
    if following.islower():
        return False
    mark = match["latin"].rstrip()
    if mark != ".":
        return True
    word_match = _LAST_WORD.search(text, max(0, match.start() - 40), match.start())
    word = word_match.group(1) if word_match else ""
    initial = len(word) == 1 and word.isupper()
    word = word.lower()
    if word in ABBREVIATIONS or initial or re.fullmatch(r"(?:[a-z]\.)+[a-z]", word):
        return False
    # "1. Open the valve": the number of a list item belongs to what follows.
    begins_line = text.rfind("\n", 0, match.start()) + 1 == match.start() - len(word)
    return not (word.isdigit() and (begins_line or (len(word) <= 2 and following.isdigit())))
