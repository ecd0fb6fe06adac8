"""What kind of value a question asks for, and which kinds a text states.

    "At what temperature does the valve open?"    asks for a temperature
    "part no. of one cell window"                 asks for a code
    "38 mm, grade A"                              states a length

Both are told from words alone (``answer_kinds.toml``), so often one of them is not known, and nothing is said. Where both are
known and have nothing in common, the text does not answer the question, however well it is proved.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from doyen.core.physical_units import unit_at
from doyen.core.quantities import Fact, find_facts
from doyen.core.sentences import sentence_ends

Kinds = frozenset[str]
UNKNOWN: Kinds = frozenset()
NUMBER = "number"
"""The kind of a number without a unit, which may stand for anything that is counted, measured or numbered."""
_SHORT_FORM = re.compile(r"\b(what|which|how|who|when)['’]s\b", re.IGNORECASE)
_NUMBER_OF = re.compile(
    r"(?:\b(?:what|which)(?: is| was| are)? (?:the )?|\bthe |^)(?:(?:total|average|exact|max(?:imum)?|min(?:imum)?) )?"
    r"number of (?!(?:the|this|that|my|our|your|an?) )",
    re.IGNORECASE,
)
_CONTINUES = re.compile(r"(?:and|und)\s+", re.IGNORECASE)
_JOINT = re.compile(r"(?:\s*,|\s+(?:and|or|und|oder|&))\s+", re.IGNORECASE)
_PLURAL = re.compile(r"\s+\w+s\b")
_ANY_UNIT = re.compile(r"[\d.,]+[A-ZÄÖÜ]+|\D+-\d+(?:ST|ND|RD|TH)")
"""Codes that may be none: quantities whose unit is not known (150KVA), and ordinals (mid-14th)."""


def contradicts(question: str, text: str) -> bool:
    """Whether a text states values, but none of a kind that the question asks for.

    What the question states itself is no value of the text. Where one side is not known, nothing contradicts.
    """
    asked = asked_kinds(question)
    stated = _stated_kinds(text, _new_facts(question, text)) if asked else UNKNOWN
    return bool(stated) and NUMBER not in stated and not stated & asked


def asked_value(question: str, sentence: str) -> Fact | None:
    """Return the only value in a sentence of a kind that the question asks for; None where there are others, or none."""
    asked = asked_kinds(question)
    found = [fact for fact in _new_facts(question, sentence) if _kinds_of(fact) & asked]
    return found[0] if len(found) == 1 else None


def repeats(question: str, text: str) -> bool:
    """Whether a text states nothing but a value of the question: "21 kg" to "Which pump weighs 21 kg?".

    Never for a question without a question word ("Does it weigh 21 kg?") or one that offers values to choose from.
    """
    known, stated = find_facts(question), find_facts(text)
    if not stated or not _patterns()["question word"].search(question):
        return False
    for fact in stated:
        same = [other for other in known if fact.stated_by(other)]
        if not same or any((each.kind, each.unit) == (same[0].kind, same[0].unit) for each in known if each != same[0]):
            return False
    said, asked = (set(re.findall(r"\w+", part.lower())) for part in (text, question))
    return said <= asked | _stop_words()


@lru_cache(maxsize=1024)
def asked_kinds(question: str) -> Kinds:
    """Return the kinds one of which answers a question; none where its words, or those of one of its parts, do not tell."""
    plain = _NUMBER_OF.sub("how many ", _SHORT_FORM.sub(r"\1 is", " ".join(question.split())))
    parts = [plain[start:end].strip() for start, end in pairwise([0, *sentence_ends(plain)])]
    asked = [kinds for part in parts for kinds in _asked_in(part)]
    return UNKNOWN.union(*asked) if all(asked) else UNKNOWN


def _new_facts(question: str, text: str) -> list[Fact]:
    """Return the facts of a text that the question does not state itself."""
    known = find_facts(question)
    return [fact for fact in find_facts(text) if not any(fact.stated_by(other) for other in known)]


def _stated_kinds(text: str, facts: Iterable[Fact]) -> Kinds:
    """Return the kinds of these facts of a text, and "words" where the text says more than they; nothing without facts."""
    kinds: set[str] = set()
    rest = list(text)
    for fact in facts:
        kinds |= _kinds_of(fact)
        rest[fact.start : fact.end] = " " * (fact.end - fact.start)
    said = {word for word in re.findall(r"\w+", "".join(rest).lower()) if word.isalpha()}
    return frozenset(kinds | {"words"} if kinds and said - _stop_words() else kinds)


def _kinds_of(fact: Fact) -> set[str]:
    if fact.kind == "code" and _ANY_UNIT.fullmatch(fact.value):
        return {NUMBER}
    return _kinds_of_unit(fact.unit) if fact.kind == "number" else {fact.kind}


def _kinds_of_unit(unit: str) -> set[str]:
    """Return the kinds of a unit; without one, and of one that the table does not hold, that of a bare number."""
    first, _, below = unit.partition("/")
    kinds = {kind for kind, units in _table()["units"].items() if first in units} | ({"rate"} if below else set())
    return kinds or {NUMBER}


def _asked_in(sentence: str) -> list[Kinds]:
    """Return what each question word of a sentence asks for; without one, what the noun phrase at its beginning names."""
    continues = _CONTINUES.match(sentence)
    sentence = sentence[continues.end() :] if continues else sentence
    patterns = _patterns()
    if asked := [_asked_by(sentence, word) for word in patterns["question word"].finditer(sentence)]:
        return asked
    if opening := patterns["opening"].match(sentence):
        return [_kinds_of_phrase(sentence, opening)]
    # What no rule knows, such as a question for yes or no, may be answered by anything; a statement asks for nothing.
    return [UNKNOWN] if sentence.endswith("?") and not continues else []


def _asked_by(sentence: str, word: re.Match[str]) -> Kinds:
    """Return what a question word asks for with what follows it."""
    patterns, fixed, end = _patterns(), _table()["fixed"], word.end()
    if word["who"] or word["moment"]:
        return frozenset(fixed["who" if word["who"] else "moment"])
    if word["how"]:
        return _kinds_of_word(word["how"])
    if word["open"]:
        return UNKNOWN
    counted = patterns["counted"].match(sentence, end) if word["many"] else None
    if counted and (unit := _counted_unit(counted.group())):
        return frozenset(_kinds_of_unit(unit))
    if phrase := patterns["what"].match(sentence, end):
        return _kinds_of_phrase(sentence, phrase)
    if verb := patterns["verb"].match(sentence, end):
        return _kinds_of_word(verb["verb"])
    return frozenset(fixed["count"]) if counted else UNKNOWN


def _counted_unit(words: str) -> str:
    """Return the unit that is counted, empty without one: "full hours", but not the "second" of "second visits"."""
    found = (unit_at(words, match.start()) for match in re.finditer(r"\w+", words))
    units = (unit for unit, end in filter(None, found) if words[end - 1] == "s" or not _PLURAL.match(words, end))
    return next(units, "")


def _kinds_of_phrase(sentence: str, phrase: re.Match[str]) -> Kinds:
    """Return the kinds of a noun phrase and of those that "and" or "or" joins to it; none where one of them is not known."""
    kinds, patterns = UNKNOWN, _patterns()
    found: re.Match[str] | None = phrase
    while found:
        kinds |= _kinds_of_word(found["noun"])
        joint = _JOINT.match(sentence, found.end())
        if not joint or patterns["stop"].match(sentence, joint.end()):
            return kinds
        found = patterns["phrase"].match(sentence, joint.end())
    return UNKNOWN


def _kinds_of_word(word: str) -> Kinds:
    """Return the kinds of a noun, adjective or verb, as its row of the table has them."""
    word = word.lower()
    for row in _table()["asked"]:
        known = [*row.get("nouns", ()), *row.get("how", ()), *row.get("verbs", ())]
        if word in known or word.removesuffix("s") in known or word.endswith(tuple(row.get("endings", ()))):
            return frozenset(row["kinds"])
    return UNKNOWN


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("answer_kinds.toml").read_text(encoding="utf-8"))


@cache
def _stop_words() -> frozenset[str]:
    return frozenset(" ".join(_table()["grammar"].values()).split())


def _any(words: Iterable[str]) -> str:
    """Return a pattern of one of the words or phrases, the longest that fits."""
    return f"(?:{'|'.join(re.escape(word) for word in sorted(words, key=len, reverse=True))})(?![\\w-])"


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    """Return the grammar of questions: what asks, and the noun phrases that a known noun ends."""
    rows, grammar = _table()["asked"], {name: words.split() for name, words in _table()["grammar"].items()}
    nouns, endings, how, verbs = (
        [word for row in rows for word in row.get(key, ())] for key in ("nouns", "endings", "how", "verbs")
    )
    stop, determiner, be = _any(_stop_words()), _any(grammar["determiners"]), _any(grammar["be"])
    noun = rf"(?P<noun>{_any([*nouns, *(f'{noun}s' for noun in nouns)])}|\w*{_any(endings)})\.?"
    phrase = rf"(?:{determiner}\s+)?(?:(?!{stop})\w[\w'’/.-]*\s+){{0,6}}?{noun}"
    closed = r"\s*(?:$|[,;:?!()–])|\s+(?:and|or|und|oder|&|\w{3,}ed)\b"  # "the pressure allowed" ends before its participle
    clause = r"(?:if|when|so|because|and|but|that|before|after|wenn|weil|und|dass)\b"
    patterns = {
        "question word": "|".join(
            (
                r"\b(?P<many>how many|wie viele?)\b",
                rf"\b(?:how|wie)\s+(?P<how>{_any(how)})",
                rf"\b(?P<what>what|which|welche[mnrs]?|how much|(?:how|wie)\s+\w+(?=\s+{be}))\b",
                r"^(?P<was>was)(?=\s+(?:ist|sind|kostet|kosten|wiegt)\b)",
                r"^(?P<who>who|whom|wer|wem|wen)\b",
                r"(?P<moment>^(?:when|wann)(?=\s+(?:was|were|did|war|wurden?)\b)"
                r"|\b(?:by|until|till|since|bis|ab|seit) (?:when|wann)\b)",
                r"(?P<open>\b(?:how|wie)|^(?:when|wann|where|wo|why|warum|whose))\b",
            )
        ),
        # "which temperature triggers the alarm": a word before an article is a verb.
        "what": rf"\s+(?:{be}\s+)?{phrase}(?={closed}|\s+{stop}|\s+\w+\s+{determiner})",
        "counted": rf"(?:\s+(?!{stop})\w[\w'’/.-]*)+",
        "verb": rf"\s+(?:(?!\b{clause})[^,;]){{0,80}}?\b(?P<verb>{_any(verbs)})",
        "opening": rf"{phrase}(?={closed}|\s+{_any(grammar['others'])})",
        "phrase": rf"{phrase}(?={closed}|\s+{stop})",
        "stop": stop,
    }
    return {name: re.compile(pattern, re.IGNORECASE) for name, pattern in patterns.items()}
