"""Whether the numbers, units and codes of an answer stand where it says they stand.

An answer with a wrong number and a citation beside it looks proved. So each number (with its unit), date and part code of
an answer must stand in a cited sentence that speaks of what was asked. Numbers that the question itself names need no proof
beside others ("the 410 gets 2.1 Nm"), but where an answer has no others they are what it claims ("yes, 50 bar").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from doyen.core.answers import Citation, Passage
from doyen.core.physical_units import units_in
from doyen.core.quantities import Fact, find_facts
from doyen.platform.serving.verifier import Judgement
from doyen.retrieval.citations import cite
from doyen.retrieval.tokens import tokens

_MARKER = re.compile(r"\[\d{1,3}\]")
_CODE = re.compile("[A-Z-]")
_DENIAL = re.compile(r"\W*(?:no|nein|non|нет|いいえ|不是|不|否)\s*(?:[,.;:!–—，。、]|$)", re.IGNORECASE)
_DENIED = re.compile(r"(?:\bnot|n['’]t)\s+(?:at\s+)?$", re.IGNORECASE)
_VAGUE = frozenset(
    tokens(
        "long many much often far high low big large small old new need needed take use used make get give set say allow let "
        "happen work come go number value time way thing kind type mean call name find know tell show put maximum minimum"
    )
)
"""Words of questions that any sentence may hold without speaking of the same."""


class NumberGuard:
    """A `Verifier` that compares figures and does not read; it refuses nothing."""

    def judge(self, question: str, passages: Sequence[Passage], answer: str) -> Judgement:
        """See `Verifier.judge`."""
        return judge_numbers(question, passages, answer, cite(answer, passages))


def judge_numbers(question: str, passages: Sequence[Passage], answer: str, citations: Sequence[Citation]) -> Judgement:
    """Compare an answer's figures with the sentences that it cites.

    Args:
        question: a follow-up made to stand alone, from what the person said and no earlier answer.
        passages: what the model was shown; citations refer to them by marker.
        answer: the answer's text; markers ([1]) in it are no figures.
        citations: the sentences cited for it.
    """
    asked = find_facts(question)
    claims = _claims(_MARKER.sub(" ", answer), asked)
    if not claims:
        return Judgement("not_checked", [replace(citation, support="not_checked") for citation in citations])
    kept: list[Citation] = []
    proved: set[Fact] = set()
    for citation in citations:
        stated = find_facts(citation.quote)
        passage = passages[citation.marker - 1]
        held = {claim for claim in claims if _states(claim, stated, passage) or _names(claim, asked, passage)}
        if not held and _contradicts(claims, stated, asked):
            continue
        relevant = held if _speaks_of(question, citation.quote) else set()
        proved |= relevant
        kept.append(replace(citation, support="supported" if relevant else "number_not_found"))
    return Judgement("supported" if proved >= set(claims) else "number_not_found", kept)


def _claims(answer: str, asked: Sequence[Fact]) -> list[Fact]:
    """Return the facts of an answer that need proof; the question's own only if there are no others and none is denied."""
    given = find_facts(answer)
    fresh = [fact for fact in given if not any(fact.stated_by(known) for known in asked)]
    if fresh or _DENIAL.match(answer):
        return fresh
    return [fact for fact in given if not _DENIED.search(answer[: fact.start])]


def _states(claim: Fact, stated: Sequence[Fact], passage: Passage) -> bool:
    """Whether a sentence states a fact; in a table the unit may stand in the heading row instead."""
    if any(claim.stated_by(fact) for fact in stated):
        return True
    bare = Fact(claim.kind, claim.value)
    if not claim.unit or bare not in stated:
        return False
    return claim.unit in units_in(passage.text)


def _names(claim: Fact, asked: Sequence[Fact], passage: Passage) -> bool:
    """Whether a number or code of the question names what the passage is about, by its heading or file name."""
    if claim.unit or not any(claim.stated_by(known) for known in asked):
        return False
    return any(claim.stated_by(fact) for fact in find_facts(f"{passage.heading} | {passage.source}"))


def _contradicts(claims: Sequence[Fact], stated: Sequence[Fact], asked: Sequence[Fact]) -> bool:
    """Whether a sentence states another value where the answer states its own: a number of the same unit, or a code."""
    others = [fact for fact in stated if fact not in asked and _is_comparable(fact)]
    kinds = {(claim.kind, claim.unit) for claim in claims if _is_comparable(claim)}
    return any((fact.kind, fact.unit) in kinds for fact in others)


def _is_comparable(fact: Fact) -> bool:
    """Whether another fact of the same kind and unit excludes it: no number without a unit, no digits like 0336 or 5.0.4."""
    if fact.kind == "code":
        return bool(_CODE.search(fact.value))
    return bool(fact.unit) or fact.kind != "number"


def _speaks_of(question: str, quote: str) -> bool:
    """Whether a sentence shares a telling word with the question."""
    wanted = {token for token in tokens(question) if token not in _VAGUE and not token.isdigit()}
    return not wanted or bool(wanted & set(tokens(quote)))
