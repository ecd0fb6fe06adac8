"""Which revision of a document a text is: "Rev. C", "Version 2.1", "gültig ab 1. Mai 2024".

The file name goes before the first lines of the text. What these say of another revision ("supersedes revision B of 14 March
2021") is not its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

OPENING = 1500
"""Characters of a text in which its revision and date are looked for."""
LONGEST_NUMBER = 4
"""Digits of a part of a revision's number: longer ones are order numbers."""

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar jänner janvier enero",
            "february feb februar février febrero",
            "march mar märz mars marzo",
            "april apr avril abril",
            "may mai mayo",
            "june jun juni juin junio",
            "july jul juli juillet julio",
            "august aug août agosto",
            "september sep sept septembre septiembre",
            "october oct oktober okt octobre octubre",
            "november nov novembre noviembre",
            "december dec dezember dez décembre diciembre",
        ),
        start=1,
    )
    for name in names.split()
}
_ORDINALS = {
    name: number
    for number, names in enumerate(
        (
            "first erste",
            "second zweite",
            "third dritte",
            "fourth vierte",
            "fifth fünfte",
            "sixth sechste",
            "seventh siebte",
            "eighth achte",
            "ninth neunte",
            "tenth zehnte",
        ),
        start=1,
    )
    for name in names.split()
}
_KIND = r"revision|rev|version|ver|issue|edition|ausgabe|auflage|fassung|revisionsstand|änderungsstand"
_NUMBER = rf"\d{{1,{LONGEST_NUMBER}}}(?:\.\d{{1,{LONGEST_NUMBER}}})*"
_IN_NAME = re.compile(rf"(?<![^\W_])(?:{_KIND}|v|ed|stand)[\s_.\-]*([a-z]|\d+(?:[._]\d+)*)(?![^\W_])")
_DATE_IN_NAME = re.compile(r"(?<!\d)((?:19|20)\d\d)(?:[-_.]?(0[1-9]|1[0-2])(?:[-_.]?(0[1-9]|[12]\d|3[01]))?)?(?!\d)")
_NUMBERED = re.compile(rf"\b(?:{_KIND})\b\.?\s*:?\s*(?:no\.?|nr\.?)?\s*({_NUMBER}\b|[a-z]\b(?!['’.]\w))", re.IGNORECASE)
_ORDINAL = re.compile(
    rf"\b({'|'.join(_ORDINALS)}|\d{{1,2}}(?:st|nd|rd|th)|\d{{1,2}}\.)\s+(?:{_KIND})\b",
    re.IGNORECASE,
)
_MONTH = rf"({'|'.join(sorted(_MONTHS, key=len, reverse=True))})\.?"
_DATES = tuple(
    (re.compile(pattern, re.IGNORECASE), order)
    for pattern, order in (
        (r"\b((?:19|20)\d\d)-(\d\d)-(\d\d)\b", "ymd"),
        (rf"\b(\d{{1,2}})(?:st|nd|rd|th|\.)?\s+(?:de\s+)?{_MONTH},?\s+(?:de\s+)?((?:19|20)\d\d)\b", "dmy"),
        (rf"\b{_MONTH}\s+(\d{{1,2}})(?:st|nd|rd|th)?,?\s+((?:19|20)\d\d)\b", "mdy"),
        (rf"\b{_MONTH}\s+((?:19|20)\d\d)\b", "my"),
        (r"\b(\d{1,2})\.\s?(\d{1,2})\.\s?((?:19|20)\d\d)\b", "dmy"),
    )
)
_VALIDITY = re.compile(
    r"(?:valid|in force|effective|issued|released|dated|applies|approved|gültig|in kraft|stand)\b[^.\n]{0,40}$", re.IGNORECASE
)
_OF_ANOTHER = re.compile(
    r"(?:supersed\w*|replac\w*|withdr\w*|against|instead of|since|before|ersetz\w*|ablös\w*|anstelle|gegenüber|printed|"
    r"gedruckt)[^.\n]{0,60}$",
    re.IGNORECASE,
)
_EARLIER = re.compile(
    r"\b(?:old|older|previous|earlier|former|superseded|outdated|withdrawn|alte[nrs]?|frühere[nrs]?|vorige[nrs]?)\s+"
    rf"(?:{_KIND}|terms|procedure|document)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Revision:
    """Which of several versions of a document it is.

    Attributes:
        stem: file name without revision, date and extension, folded; versions of a document share it.
        label: "Revision C" or "Version 2.1" as it is to be shown, or an empty text.
        rank: the label's number for comparing, a letter as one of 1 to 26; empty where there is no label.
        dated: "2024-02-22", "2024-02" or "2024", or an empty text.
    """

    stem: str
    label: str = ""
    rank: tuple[int, ...] = ()
    dated: str = ""

    @property
    def shown(self) -> str:
        """Label and date for people, an empty text where neither is known."""
        return ", ".join(filter(None, [self.label, self.dated if self.dated not in self.label else ""]))

    def is_newer(self, other: Revision) -> bool | None:
        """Return whether this is the newer one; None where that cannot be told."""
        if self.rank and other.rank and self.rank != other.rank and self._kind == other._kind:
            return self.rank > other.rank
        length = min(len(self.dated), len(other.dated))
        mine, theirs = self.dated[:length], other.dated[:length]
        return None if mine == theirs else mine > theirs

    @property
    def _kind(self) -> bool:
        return self.label[-1:].isalpha()


def find_revision(source: str, text: str) -> Revision:
    """Return what a document's name and its first lines say of its revision.

    Args:
        source: path or URL of the document.
        text: of which the first OPENING characters are read.
    """
    name, opening = PurePosixPath(source).stem.casefold(), text[:OPENING]
    label, rank = _label_in_name(name)
    if not rank:
        label, rank = _label_in_text(opening)
    dated = _date_in_text(opening) or _date_in_name(name)
    return Revision(name_stem(source), label, rank, dated)


def name_stem(source: str) -> str:
    """Return the file's name without its revision, its date and its extension, words parted by blanks."""
    return without_revision(PurePosixPath(source).stem)


def without_revision(name: str) -> str:
    """Return a name or a title without revision and date, folded, words parted by blanks."""
    rest = _DATE_IN_NAME.sub(" ", _IN_NAME.sub(" ", name.casefold()))
    return " ".join(re.findall(r"[^\W_]+", rest))


def names_revision(query: str, revision: Revision) -> bool:
    """Whether a question asks for this revision by its number or by its year."""
    for match in (*_NUMBERED.finditer(query), *_IN_NAME.finditer(query.casefold())):
        if revision.rank and _rank(match.group(1)) == revision.rank:
            return True
    return bool(revision.dated and re.search(rf"(?<!\d){revision.dated[:4]}(?!\d)", query))


def asks_for_earlier(query: str) -> bool:
    """Whether a question asks for an earlier revision without naming it: "the previous version"."""
    return bool(_EARLIER.search(query))


def _label_in_name(name: str) -> tuple[str, tuple[int, ...]]:
    match = _IN_NAME.search(name)
    return _label(match.group(1).replace("_", ".")) if match else ("", ())


def _label_in_text(opening: str) -> tuple[str, tuple[int, ...]]:
    written = [(match.start(), match.group(1)) for match in _NUMBERED.finditer(opening)]
    written += [(match.start(), _ordinal(match.group(1))) for match in _ORDINAL.finditer(opening)]
    found = [each for each in written if _is_own(opening, each[0])]
    return _label(min(found)[1]) if found else ("", ())


def _ordinal(word: str) -> str:
    return str(_ORDINALS.get(word.casefold()) or re.sub(r"\D", "", word))


def _label(written: str) -> tuple[str, tuple[int, ...]]:
    name = "Revision" if written.isalpha() else "Version"
    return f"{name} {written.upper()}", _rank(written)


def _rank(written: str) -> tuple[int, ...]:
    if written.isalpha():
        return (ord(written.casefold()) - ord("a") + 1,)
    return tuple(int(part) for part in re.split(r"[._]", written) if part)


def _is_own(text: str, start: int) -> bool:
    """Whether what stands at a place is not said of another revision."""
    return not _OF_ANOTHER.search(text[max(0, start - 80) : start])


def _date_in_text(opening: str) -> str:
    """Return the date of validity, else the first one."""
    found = []
    for pattern, order in _DATES:
        for match in pattern.finditer(opening):
            if _is_own(opening, match.start()) and (date := _date(match.groups(), order)):
                valid = bool(_VALIDITY.search(opening[max(0, match.start() - 60) : match.start()]))
                found.append((not valid, match.start(), -len(date), date))
    return min(found)[3] if found else ""


def _date(parts: tuple[str, ...], order: str) -> str:
    """Return an ISO date of as many parts as were given, or an empty text for an impossible one."""
    given = dict(zip(order, parts, strict=True))
    month = _MONTHS.get(given["m"].casefold().rstrip(".")) or (int(given["m"]) if given["m"].isdigit() else 0)
    day = int(given.get("d", 1))
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return ""
    return f"{given['y']}-{month:02}" + (f"-{day:02}" if "d" in given else "")


def _date_in_name(name: str) -> str:
    match = _DATE_IN_NAME.search(name)
    return "-".join(filter(None, match.groups())) if match else ""
