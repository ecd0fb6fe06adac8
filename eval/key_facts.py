"""Key facts right: what a reference states that can be checked, found in the answer, and nothing that contradicts it.

    question   What torque do the head screws of the Corvane 410 get?
    reference  2.1 Nm, crosswise in two passes.
    right      The Corvane 410's head screws get 2.1 Nm in two passes.   all facts; 410 is the question's own
    wrong      2.1 Nm or 4.4 Nm in two passes.                           another torque
    wrong      Tighten them crosswise.                                   the facts are missing

Words that carry no fact do not count, so that neither a long nor a terse wording gains anything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from doyen.core.physical_units import units_in
from doyen.core.quantities import Fact, find_facts, find_names
from doyen.core.text import words
from doyen.retrieval.tokens import STOPWORDS

_POINTING = re.compile(r"\b(?:the|these|those|all|both)\s+$", re.IGNORECASE)


@dataclass(frozen=True)
class KeyFacts:
    """The checkable facts of a reference.

    Attributes:
        facts: numbers with units, dates, times and codes.
        names: the words of each name.
    """

    facts: list[Fact]
    names: list[frozenset[str]]


def key_facts_right(question: str, answer: str, references: Sequence[str]) -> bool | None:
    """Whether the answer holds the key facts of one of the references and no other number of the same unit.

    Facts that the question itself states need not be said again, and numbers of the question are not "other" numbers;
    neither holds where the question states all of the reference's facts, as one that offers a choice does. Nor need the
    unit be said that the question asks in. A code of the same form as a wanted one counts as another number does.

    Returns:
        None where no reference states a fact, name, number or code.
    """
    wanted = [found for found in map(key_facts, references) if found.facts or found.names]
    if not wanted:
        return None
    return any(_states(question, answer, facts) for facts in wanted)


def key_facts(text: str) -> KeyFacts:
    """Return the facts and names of a text."""
    facts = [fact for fact in find_facts(text) if not _is_pronoun(text, fact)]
    masked = list(text)
    for fact in facts:
        masked[fact.start : fact.end] = " " * (fact.end - fact.start)
    names = [frozenset(words(name)) - STOPWORDS or frozenset(words(name)) for name in find_names("".join(masked))]
    return KeyFacts(facts, [name for name in names if name])


def _states(question: str, answer: str, wanted: KeyFacts) -> bool:
    asked, given = find_facts(question), find_facts(answer)
    asked_words, given_words = set(words(question)), set(words(answer))
    facts = [fact for fact in wanted.facts if not _stated(fact, asked)]
    names = [name for name in wanted.names if not name <= asked_words]
    if not facts and not names:  # the question offers what is wanted: it has to be chosen
        facts, names, asked = wanted.facts, wanted.names, []
    units = units_in(question)
    given = [_with_unit_of(fact, facts, units) for fact in given]
    return (
        all(_stated(fact, given) for fact in facts)
        and all(name <= given_words for name in names)
        and not any(_contradicts(fact, wanted.facts) for fact in given if not _stated(fact, asked))
    )


def _stated(fact: Fact, there: Sequence[Fact]) -> bool:
    return any(fact.stated_by(other) for other in there)


def _is_pronoun(text: str, fact: Fact) -> bool:
    """Whether a number in words points to known things ("the better one of the two") and counts nothing."""
    spelled = fact.kind == "number" and not fact.unit and not any(char.isdigit() for char in fact.text)
    return spelled and bool(_POINTING.search(text, 0, fact.start))


def _with_unit_of(fact: Fact, wanted: Sequence[Fact], asked: set[str]) -> Fact:
    """Return a number with the unit of the wanted number of that value, where the question says what the two differ by.

    "5" to a question for litres is "5 l"; "96 euros an hour" to one for the price of an hour is "96 euros", and back.
    """
    if fact.kind != "number":
        return fact
    for other in wanted:
        shorter, longer = sorted((fact.unit, other.unit), key=len)
        missing = longer.removeprefix(f"{shorter}/" if shorter else "")
        if other.kind == "number" and other.value == fact.value and missing in asked and missing != longer * bool(shorter):
            return replace(fact, unit=other.unit)
    return fact


def _contradicts(fact: Fact, wanted: Sequence[Fact]) -> bool:
    """Whether the answer's fact is of the kind and unit of a wanted one but is none of them."""
    rivals = [other for other in wanted if _family(other) == _family(fact)]
    return bool(rivals) and not any(fact.stated_by(other) or other.stated_by(fact) for other in wanted)


def _family(fact: Fact) -> tuple[str, str]:
    """Return what makes two facts rivals: the unit of numbers, the form of codes (QC-41-0194 and QC-95-0052)."""
    form = re.sub(r"[^\W\d_]", "A", re.sub(r"\d", "9", fact.value)) if fact.kind == "code" else fact.unit
    return fact.kind, form
