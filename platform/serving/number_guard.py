"""Whether the numbers, units and codes of an answer stand where it says they stand.

An answer with a wrong number and a citation beside it looks proved. So each number (with its unit), date and part code of
an answer must stand in a cited sentence that speaks of what was asked. Numbers that the question itself names need no proof
beside others ("the 410 gets 2.1 Nm"), but where an answer has no others they are what it claims ("yes, 50 bar"). Nothing proves
an answer of another kind than was asked for: "38 mm" is no part number, whichever sentence states it.

Each sentence of the answer is marked by the same comparison: "supported" only where its words and all its figures stand in
sentences of the passages, so that no sentence with a wrong figure looks proved.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from doyen.core.answer_kinds import contradicts
from doyen.core.answers import AnswerSentence, Citation, Passage, Support
from doyen.core.physical_units import units_in
from doyen.core.quantities import Fact, find_facts
from doyen.core.sentences import sentence_ends
from doyen.platform.serving.verifier import Judgement
from doyen.retrieval.citations import LEAST_SUPPORT, MOST_CITATIONS, Statement, strongest, support_statements
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
    """A `Verifier` that compares words and figures and does not read; it refuses nothing."""

    def judge(self, question: str, passages: Sequence[Passage], answer: str) -> Judgement:
        """See `Verifier.judge`."""
        judgement = judge_numbers(question, passages, answer, support_statements(answer, passages))
        return replace(judgement, citations=judgement.citations[:MOST_CITATIONS])


def judge_numbers(question: str, passages: Sequence[Passage], answer: str, statements: Sequence[Statement]) -> Judgement:
    """Compare an answer's figures with the sentences that it cites, and mark its sentences.

    Args:
        question: a follow-up made to stand alone, from what the person said and no earlier answer.
        passages: what the model was shown; citations refer to them by marker. Without any, no sentence is marked.
        answer: the answer's text; markers ([1]) in it are no figures.
        statements: the answer's sentences with the sentences cited for them.
    """
    plain = _MARKER.sub(lambda match: " " * len(match.group()), answer)
    asked, facts = find_facts(question), find_facts(plain)
    checked = _Checked(passages, plain, asked, facts, _claims(plain, facts, asked))
    other_kind = contradicts(question, plain)
    for citation in strongest(statements):
        held = {claim for claim in checked.claims if checked.cited(claim, citation)}
        if not held and _contradicts(checked.claims, find_facts(citation.quote), asked):
            continue
        relevant = held if _speaks_of(question, citation.quote) and not other_kind else set()
        checked.proved |= relevant
        checked.kept[citation] = replace(citation, support=checked.support(found=bool(relevant)))
    support = checked.support(found=checked.proved >= set(checked.claims))
    sentences = [_mark(statement, checked) for statement in statements] if passages else []
    return Judgement(support, list(checked.kept.values()), sentences)


@dataclass
class _Checked:
    """What is known of an answer when its sentences are marked.

    Attributes:
        plain: the answer with blanks for its markers.
        asked: facts of the question.
        facts: facts of the answer, with their places in it.
        claims: those that need proof.
        proved: claims that a cited sentence about the question states.
        kept: citation as it was found → the same with its ``support``; those that contradict the answer are left out.
    """

    passages: Sequence[Passage]
    plain: str
    asked: Sequence[Fact]
    facts: Sequence[Fact]
    claims: Sequence[Fact]
    proved: set[Fact] = field(default_factory=set)
    kept: dict[Citation, Citation] = field(default_factory=dict)

    def support(self, *, found: bool) -> Support:
        if not self.claims:
            return "not_checked"
        return "supported" if found else "number_not_found"

    def cited(self, fact: Fact, citation: Citation) -> bool:
        return self.holds(fact, citation.quote, self.passages[citation.marker - 1])

    def holds(self, fact: Fact, sentence: str, passage: Passage) -> bool:
        """Whether a sentence of a passage states a fact, or the fact names the passage."""
        return _states(fact, find_facts(sentence), passage) or _names(fact, self.asked, passage)


def _mark(statement: Statement, checked: _Checked) -> AnswerSentence:
    """Return a sentence of the answer with its mark."""
    start, end = statement.start, statement.end
    facts = [fact for fact in checked.facts if fact.start < end and start < fact.end]
    claims = [fact for fact in facts if fact in checked.claims]
    if not checked.proved.issuperset(claims):
        return AnswerSentence(start, end, "number_differs")
    sources = [citation for citation in statement.gains if citation in checked.kept]
    share = sum(statement.gains[source] for source in sources)
    held = {fact: [source for source in sources if checked.cited(fact, source)] for fact in facts}
    if (
        share < LEAST_SUPPORT
        or not all(held.values())
        or any(_is_outdone(fact, held[fact], checked) for fact in claims or facts)
    ):
        return AnswerSentence(start, end, "not_found")
    best = held[(claims or facts)[0]][0] if facts else sources[0]
    return AnswerSentence(start, end, "supported", checked.kept[best])


def _is_outdone(fact: Fact, held: Sequence[Citation], checked: _Checked) -> bool:
    """Whether a sentence that says more of a figure's subject than those that hold the figure states another one.

    "The valve closes at 50 bar." is not supported by "The pump starts at 50 bar." beside "The valve closes at 30 bar."
    """
    around = next(checked.plain[start:end] for start, end in _split(checked.plain) if fact.start < end)
    subject, own = _subject(around), find_facts(around)

    def shared(sentence: str) -> int:
        return len(subject & _subject(sentence))

    sources = [
        (sentence, checked.passages[citation.marker - 1]) for citation in held for sentence in _sentences(citation.quote)
    ]
    most = max((shared(sentence) for sentence, passage in sources if checked.holds(fact, sentence, passage)), default=0)
    for passage in checked.passages:
        for sentence in _sentences(passage.text):
            if shared(sentence) <= most:
                continue
            stated = find_facts(sentence)
            others = {other.kind for other in stated if not any(each.stated_by(other) for each in own)}
            if fact.kind in others and not _states(fact, stated, passage):
                return True
    return False


def _sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in _split(text)]


def _split(text: str) -> list[tuple[int, int]]:
    """Return all sentences and lines as (start, end), also the short ones that citations join to the next."""
    return list(pairwise([0, *sentence_ends(text, abbreviations=False)]))


def _claims(answer: str, given: Sequence[Fact], asked: Sequence[Fact]) -> list[Fact]:
    """Return the facts of an answer that need proof; the question's own only if there are no others and none is denied."""
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
    wanted = _telling(question)
    return not wanted or bool(wanted & set(tokens(quote)))


def _telling(text: str) -> set[str]:
    """Return the words of a text that tell what it is about."""
    return {token for token in tokens(text) if token not in _VAGUE and not token.isdigit()}


def _subject(text: str) -> set[str]:
    """Return the telling words of a text without its figures."""
    return {token for token in _telling(text) if not any(char.isdigit() for char in token)}
