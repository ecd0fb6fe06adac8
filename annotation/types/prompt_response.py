"""The task type prompt/response: a question, its answer and the words of the passage that prove it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from doyen.annotation.types.spans import Span, find_quotes
from doyen.annotation.types.typed_labels import PromptResponse, short
from doyen.core.records import REFUSAL, Pair, Turn
from doyen.core.text import is_blank

_FIELD = re.compile(r"^(?P<field>question|answer|evidence):(?P<text>.*(?:\n(?!(?:question|answer|evidence):).*)*)", re.I | re.M)


def ask(text: str) -> str:
    """Return the prompt that asks a model for a question, its answer and the words that prove it."""
    return (
        "Write one question that the passage answers, its answer, and the exact words of the passage that prove it. "
        f"Answer with three lines: Question: …, Answer: …, Evidence: …\n\nPassage:\n{text}"
    )


def parse(answer: str, text: str) -> tuple[PromptResponse | None, list[str]]:
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


def pair_fields(label: PromptResponse, data: dict[str, Any]) -> dict[str, Any]:
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


def _implied(data: dict[str, Any], answerable: bool, evidence: Sequence[Span]) -> dict[str, Any]:
    """Return the pair's fields that follow from the task; an unanswerable pair rests on no document."""
    history = [Turn.model_validate(turn).model_dump() for turn in data.get("history") or []]
    source = _source(data, evidence) if answerable else None
    return {"source": source, "group": data.get("group") or data["uid"], "history": history}


def _source(data: dict[str, Any], evidence: Sequence[Span]) -> str | None:
    """Return the task's document; where passages of several are shown, the one in which the evidence begins."""
    for span in evidence[:1]:
        for passage in data.get("passages") or []:
            if passage["at"] <= span.start < passage["at"] + passage["length"]:
                return str(passage["source"])
    return data.get("source") or None
