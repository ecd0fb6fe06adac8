"""Questions by rule: a question and its answer from one telling sentence of a passage, where no model is at hand."""

from __future__ import annotations

import re

from doyen.annotation.types.drafter import Draft, Excerpt

MIN_WORDS, MAX_WORDS = 5, 45
MIN_SCORE = 0.2

_SENTENCE = re.compile(r"[^\n.!?]+(?:[.!?](?!\s|$)[^\n.!?]*)*[.!?]?")
_BULLET = re.compile(r"^\s*(?:[-*•>]|\d+[.)]|#+)\s+")
_CODE = re.compile(r"\b(?:[A-Z][A-Za-z]*[-./]?\d[\w./-]*|\d+-\d[\w-]*)\b")
"""Part numbers, error codes, model names: E-41, FSN-2024-02, H7, 410-778."""
_NUMBER = re.compile(r"\d")
_OBLIGATION = re.compile(r"\b(?:must|shall|should|never|always|only|required|do not)\b", re.IGNORECASE)
_SUBJECT = re.compile(
    r"^(?P<subject>(?:The|A|An|Each|Every|All|This|Our)?\s?[\w/'’-]+(?: [\w/'’-]+){0,6}?)"
    r" (?P<verb>is|are|was|were|must|shall|should|can|may|will|has|have)\b (?P<rest>.+)$"
)
_COPULAS = {"is", "are", "was", "were"}
_PRONOUN = re.compile(r"it|this|that|these|those|they|there|which|we|you|he|she|who|what|if|when", re.IGNORECASE)


def draft_question(excerpt: Excerpt) -> Draft | None:
    """Return a draft on the most telling sentence: numbers, codes and obligations count; None where none tells."""
    best = max(_sentences(excerpt.text), key=_weight, default=None)
    if best is None or _weight(best) < MIN_SCORE:
        return None
    return Draft.of_answer(excerpt.text, _question(best, excerpt), best, round(_weight(best), 3), evidence=(best,))


def _sentences(text: str) -> list[str]:
    """Return the sentences as exact substrings, without bullets and heading marks; table rows and fragments left out."""
    found = []
    for match in _SENTENCE.finditer(text):
        sentence = match.group().strip()
        if bullet := _BULLET.match(sentence):
            sentence = sentence[bullet.end() :]
        words = len(sentence.split())
        if MIN_WORDS <= words <= MAX_WORDS and "|" not in sentence and not sentence.endswith((":", "?")):
            found.append(sentence)
    return found


def _weight(sentence: str) -> float:
    """Return how much a sentence tells, from 0 to 1."""
    weight = 0.1
    weight += 0.3 if _CODE.search(sentence) else 0.0
    weight += 0.25 if _NUMBER.search(sentence) else 0.0
    weight += 0.15 if _OBLIGATION.search(sentence) else 0.0
    weight += 0.15 if _SUBJECT.match(sentence) else 0.0
    weight += 0.05 if sentence.endswith(".") else 0.0
    return min(weight, 1.0)


def _question(sentence: str, excerpt: Excerpt) -> str:
    match = _SUBJECT.match(sentence)
    if match and not _PRONOUN.fullmatch(match["subject"].split()[0]):
        subject, verb = _lower_first(match["subject"].strip()), match["verb"]
        if verb in _COPULAS and _states_a_value(match["rest"]):
            return f"What {verb} {subject}?"
        return f"What applies to {subject}?"
    if code := _CODE.search(sentence):
        return f"What do the documents say about {code.group()}?"
    topic = excerpt.heading.split(" > ")[-1].strip() or excerpt.source.rsplit("/", 1)[-1]
    return f"What does “{topic}” say?"


def _states_a_value(rest: str) -> bool:
    """Whether the words after the copula name what the subject is ('12 months', 'the seal'), not what happens to it."""
    return bool(re.match(r"(?:about |at most |at least |only )?(?:\d|the |an? )", rest))


def _lower_first(text: str) -> str:
    """Lower-case a leading article, and nothing that may be a name or a code."""
    first, _, rest = text.partition(" ")
    return f"{first.lower()} {rest}" if first in {"The", "A", "An", "Each", "Every", "All", "This", "Our"} and rest else text
