"""The task type prompt/response: a question, its answer and the words of the passage that prove it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from doyen.annotation.types.descriptions import TaskDescription
from doyen.annotation.types.drafter import Draft, Excerpt
from doyen.annotation.types.spans import Span, find_quotes
from doyen.annotation.types.typed_labels import PromptResponse, short
from doyen.core.records import REFUSAL, Pair, Turn
from doyen.core.text import is_blank

_FIELD = re.compile(r"^(?P<field>question|answer|evidence):(?P<text>.*(?:\n(?!(?:question|answer|evidence):).*)*)", re.I | re.M)
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


def prompt(text: str, description: TaskDescription) -> str:
    """Return the prompt that asks a model for a question, its answer and the words that prove it."""
    return (
        "Write one question that the passage answers, its answer, and the exact words of the passage that prove it. "
        f"Answer with three lines: Question: …, Answer: …, Evidence: …\n\nPassage:\n{text}"
    )


def parse(answer: str, text: str, description: TaskDescription) -> tuple[PromptResponse | None, list[str]]:
    """Read such an answer; evidence that the passage does not hold is left out."""
    found = {match["field"].lower(): match["text"].strip() for match in _FIELD.finditer(answer)}
    problems = [f"the answer has no line '{name.title()}: …'" for name in ("question", "answer") if not found.get(name)]
    if problems:
        return None, problems
    spans, missing = find_quotes(text, list(filter(None, [found.get("evidence", "").strip('"“”')])))
    problems = [f"the passage does not hold {short(quote)}" for quote in missing]
    return PromptResponse(found["question"], found["answer"], found["answer"] != REFUSAL, tuple(spans)), problems


def row(label: PromptResponse, text: str) -> dict[str, Any]:
    """Return question, answer, passage and evidence."""
    return {
        "prompt": label.prompt,
        "response": label.response,
        "answerable": label.answerable,
        "text": text,
        "evidence": [{"start": span.start, "end": span.end, "text": span.text} for span in label.evidence],
        "quotes": list(label.quotes),
        "rating": label.rating,
    }


def pair_fields(label: PromptResponse, data: Mapping[str, Any], description: TaskDescription) -> dict[str, Any]:
    """Return what a label says of a training pair. Its group is the task's, so that two people's labels stay together."""
    quotes = (*(span.text for span in label.evidence), *label.quotes)
    return {
        "prompt": label.prompt,
        "response": label.response,
        "evidence": [quote for quote in quotes if not is_blank(quote)],
        **_implied(data, label.answerable, label.evidence),
        **(label.overrides or {}),
    }


def label_of_pair(pair: Pair, data: dict[str, Any]) -> PromptResponse:
    """Return the label that a pair means; evidence outside the passage becomes further quotes."""
    spans, missing = find_quotes(data["text"], list(pair.evidence))
    own = pair.model_dump(mode="json")
    overrides = {key: own[key] for key, value in _implied(data, pair.answerable, spans).items() if own[key] != value}
    if pair.group is None:
        overrides.pop("group", None)
    return PromptResponse(
        pair.prompt, pair.response, pair.answerable, tuple(spans), tuple(missing), overrides=overrides or None
    )


def _implied(data: Mapping[str, Any], answerable: bool, evidence: Sequence[Span]) -> dict[str, Any]:
    """Return the pair's fields that follow from the task; an unanswerable pair rests on no document."""
    history = [Turn.model_validate(turn).model_dump() for turn in data.get("history") or []]
    source = _source(data, evidence) if answerable else None
    return {"source": source, "group": data.get("group") or data["uid"], "history": history}


def _source(data: Mapping[str, Any], evidence: Sequence[Span]) -> str | None:
    """Return the task's document; where passages of several are shown, the one in which the evidence begins."""
    for span in evidence[:1]:
        for passage in data.get("passages") or []:
            if passage["at"] <= span.start < passage["at"] + passage["length"]:
                return str(passage["source"])
    return data.get("source") or None


def draft(excerpt: Excerpt, description: TaskDescription) -> Draft | None:
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
