"""Other names that a text itself gives for a thing: "the chiller, also known as the sample conditioner".

    CEACAM1 (also known as BGP or CD66) is …            BGP → CEACAM1
    The sample conditioner, formerly called chiller, …  chiller → sample conditioner
    The drain pot is also called the knock-out pot.     knock-out pot → drain pot

Only what is said outright is taken: words that merely stand in the same places are as often opposites.
"""

from __future__ import annotations

import re

MOST_WORDS = 5
"""Of a name."""
_FUNCTION_WORDS = """
a an the this that these those each every any some all both its their his her our your no not it they them we you he she i what
of in on at by for from to with as into over under after before between within than per via here there also only
and or but nor so if when while where which who whose is are was were be been being has have had
can may must shall should will would do does did called named known used
"""
_ARTICLES = frozenset(("a", "an", "the"))
_NO_NAME = frozenset(_FUNCTION_WORDS.split())
_SAID = re.compile(
    r"\b(?:(?:also|sometimes|commonly|often|otherwise|formerly|previously|originally)\s+(?:known\s+as|called|named|termed|"
    r"referred\s+to\s+as)|a\.\s?k\.\s?a\.|aka)\s",
    re.IGNORECASE,
)
_BEFORE = re.compile(r"(?:\(|,|\s(?:is|are|was|were))\s*(?:which\s+(?:is|are|was|were)\s+)?$")
_CLAUSE = re.compile(r"[.;:!?|]\s|\n")
_PHRASE = re.compile(r"[^\n;:!?|()]{1,80}")
LONGEST = 120
"""Characters before what is said in which a name is looked for."""
_BRACKET = re.compile(r"\s*\([^()]*\)\s*$")
_WORD = re.compile(r"\S+")
_QUOTES = "\"'“”‘’«»"
_ENDS = (",", ".")


def find_other_names(text: str) -> dict[str, str]:
    """Return other name → name of what a text gives another name to, the first time that it does."""
    found: dict[str, str] = {}
    for said in _SAID.finditer(text):
        before = _CLAUSE.split(text[max(0, said.start() - LONGEST) : said.start()])[-1]
        ends, after = _BEFORE.search(before), _PHRASE.match(text, said.end())
        if ends is None or after is None:
            continue
        name, other = _last_name(_BRACKET.sub("", before[: ends.start()])), _first_name(after.group())
        if name and other and name.casefold() != other.casefold():
            found.setdefault(other, name)
    return found


def _first_name(text: str) -> str:
    """Return the words up to the end of a phrase, without an article before them."""
    words: list[str] = []
    for word in _WORD.findall(text):
        plain = word.strip(_QUOTES + ",.")
        if plain.casefold() in _ARTICLES and not words:
            continue
        if plain.casefold() in _NO_NAME:
            break
        words.append(plain)
        if word.rstrip(_QUOTES).endswith(_ENDS) or len(words) == MOST_WORDS:
            break
    return " ".join(words)


def _last_name(text: str) -> str:
    """Return the last words of a text that make a phrase; where some have capitals, from the first of them on."""
    words: list[str] = []
    for word in reversed(_WORD.findall(text)):
        plain = word.strip(_QUOTES)
        if plain.casefold() in _NO_NAME or plain.endswith(_ENDS) or "(" in plain or ")" in plain or len(words) == MOST_WORDS:
            break
        words.insert(0, plain)
    capital = next((number for number, word in enumerate(words) if not word.islower()), 0)
    return " ".join(words[capital:])
