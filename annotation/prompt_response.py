"""The task type prompt/response: a question, its answer and the words of the passage that prove it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from lxml import etree

from doyen.annotation.contracts import Excerpt, LabelError, Proposal, Result
from doyen.annotation.descriptions import TaskDescription, default_description
from doyen.annotation.offsets import Span, find_quotes, locate_span
from doyen.annotation.question_rules import draft_question
from doyen.annotation.records import Label, PromptResponse
from doyen.annotation.types import screen
from doyen.core.errors import InputError
from doyen.core.manifest import short_id
from doyen.core.records import REFUSAL, Pair, Turn
from doyen.core.text import is_blank

UNANSWERABLE = "not answerable from this passage"
TEXT_FIELDS = ("prompt", "response", "quotes", "comment")
MAX_RATING = 5
_FIELD = re.compile(r"^(?P<field>question|answer|evidence):(?P<text>.*(?:\n(?!(?:question|answer|evidence):).*)*)", re.I | re.M)


class PromptResponseType:
    """Implements ``TaskType``."""

    name = "prompt-response"

    def __init__(self, description: TaskDescription | None = None) -> None:
        self.description = description or default_description(self.name)

    @cached_property
    def config(self) -> str:
        """The labelling screen: guideline, passage with highlighting, question, answer, flag, further quotes, rating."""
        view = etree.fromstring(Path(__file__).with_suffix(".xml").read_bytes(), etree.XMLParser(remove_blank_text=True))
        view.insert(1, screen.guideline(self.description))
        return screen.to_xml(view)

    def read(self, result: Result, data: dict[str, Any]) -> PromptResponse:
        """Return the label that a result means. Raises LabelError."""
        return read_result(result, data["text"])

    def salvage(self, result: Result, data: dict[str, Any]) -> tuple[PromptResponse | None, list[str]]:
        """Return what is sound of a result, where that holds a question and an answer, and what is wrong with it."""
        return salvage_result(result, data["text"])

    def write(self, label: Label, data: dict[str, Any]) -> Result:
        """Return the label as regions. Raises InputError for labels of another type."""
        return write_result(_own(label), data["uid"])

    def problems(self, result: Result, data: dict[str, Any]) -> list[str]:
        """Return what is wrong with a result; empty when it is a valid label."""
        return self.salvage(result, data)[1]

    def prediction(self, label: Label, score: float, data: dict[str, Any], version: str) -> dict[str, Any]:
        """Return a proposed label as a Label Studio prediction."""
        return {"model_version": version, "score": score, "result": self.write(label, data)}

    def to_pairs(self, label: Label, data: dict[str, Any], *, pair_id: str, annotator: str, created_at: str) -> list[Pair]:
        """Return one pair; its group is the task's, so that two people's labels stay together.

        Raises:
            InputError: the label is of another type.
        """
        own = _own(label)
        pair = {
            "id": pair_id,
            "prompt": own.prompt,
            "response": own.response,
            "evidence": [quote for quote in (*(span.text for span in own.evidence), *own.quotes) if not is_blank(quote)],
            "annotator": annotator or None,
            "created_at": created_at or None,
            **_implied(data, own.answerable, own.evidence),
            **(own.overrides or {}),
        }
        return [Pair.model_validate(pair)]

    def from_pair(self, pair: Pair, data: dict[str, Any]) -> PromptResponse:
        """Return the label that a pair means; evidence outside the passage becomes further quotes."""
        spans, missing = find_quotes(data["text"], list(pair.evidence))
        own = pair.model_dump(mode="json")
        overrides = {key: own[key] for key, value in _implied(data, pair.answerable, spans).items() if own[key] != value}
        if pair.group is None:
            overrides.pop("group", None)
        return PromptResponse(
            pair.prompt, pair.response, pair.answerable, tuple(spans), tuple(missing), overrides=overrides or None
        )

    def row(self, label: Label, data: dict[str, Any]) -> dict[str, Any]:
        """Return question, answer, passage and evidence. Raises InputError for labels of another type."""
        own = _own(label)
        return {
            "prompt": own.prompt,
            "response": own.response,
            "answerable": own.answerable,
            "text": data["text"],
            "evidence": [{"start": span.start, "end": span.end, "text": span.text} for span in own.evidence],
            "quotes": list(own.quotes),
            "rating": own.rating,
        }

    def instruction(self, text: str) -> str:
        """Return the prompt that asks a model for a question, its answer and the words that prove it."""
        return (
            "Write one question that the passage answers, its answer, and the exact words of the passage that prove it. "
            f"Answer with three lines: Question: …, Answer: …, Evidence: …\n\nPassage:\n{text}"
        )

    def parse(self, answer: str, text: str) -> tuple[PromptResponse | None, list[str]]:
        """Read such an answer; evidence that the passage does not hold is left out."""
        found = {match["field"].lower(): match["text"].strip() for match in _FIELD.finditer(answer)}
        problems = [f"the answer has no line '{name.title()}: …'" for name in ("question", "answer") if not found.get(name)]
        if problems:
            return None, problems
        spans, missing = find_quotes(text, [quote for quote in [found.get("evidence", "").strip('"“”')] if quote])
        problems = [f"the passage does not hold {_short(quote)}" for quote in missing]
        return PromptResponse(found["question"], found["answer"], found["answer"] != REFUSAL, tuple(spans)), problems

    def propose(self, excerpt: Excerpt) -> Proposal | None:
        """Return a question on the most telling sentence, or None where none tells."""
        draft = draft_question(excerpt)
        return draft.located(excerpt.text) if draft is not None else None


def _own(label: Label) -> PromptResponse:
    if not isinstance(label, PromptResponse):
        raise InputError(f"a prompt-response task takes labels of type PromptResponse, not {type(label).__name__}")
    return label


def write_result(label: PromptResponse, uid: str) -> Result:
    """Return the label as Label Studio regions, each with a stable id; empty fields have none."""
    regions: list[dict[str, Any]] = []

    def add(field: str, kind: str, value: dict[str, Any]) -> dict[str, Any]:
        identity = short_id(uid, field, str(len(regions)))[:10]
        regions.append({"id": identity, "from_name": field, "to_name": "passage", "type": kind, "value": value})
        return regions[-1]

    for span in label.evidence:
        add("evidence", "labels", {"start": span.start, "end": span.end, "text": span.text, "labels": ["evidence"]})
    prompt = add("prompt", "textarea", {"text": [label.prompt]})
    if label.overrides:
        prompt["meta"] = {"pair": label.overrides}
    if label.response:
        add("response", "textarea", {"text": [label.response]})
    if not label.answerable:
        add("answerable", "choices", {"choices": [UNANSWERABLE]})
    if label.quotes:
        add("quotes", "textarea", {"text": list(label.quotes)})
    if label.rating is not None:
        add("rating", "rating", {"rating": label.rating})
    if label.comment:
        add("comment", "textarea", {"text": [label.comment]})
    return regions


def read_result(result: Result, passage: str) -> PromptResponse:
    """Read and check the regions of one annotation.

    Raises:
        LabelError: fields are missing, offsets lie outside the passage or contradict the marked text, …
    """
    label, problems = salvage_result(result, passage)
    if label is None or problems:
        raise LabelError(problems)
    return label


def salvage_result(result: Result, passage: str) -> tuple[PromptResponse | None, list[str]]:
    """Read the regions of one annotation: what is sound of them (see ``_Reader.label``), and what is wrong."""
    reader = _Reader(passage)
    for region in result:
        reader.take(region)
    return reader.label(), reader.problems


class _Reader:
    """Collects the regions of one annotation and everything that is wrong with them."""

    def __init__(self, passage: str) -> None:
        self.passage = passage
        self.texts: dict[str, list[str]] = {field: [] for field in TEXT_FIELDS}
        self.evidence: list[Span] = []
        self.unplaced = 0
        self.answerable = True
        self.rating: int | None = None
        self.overrides: dict[str, Any] | None = None
        self.problems: list[str] = []

    def take(self, region: Any) -> None:
        """Read one region."""
        value = region.get("value") if isinstance(region, dict) else None
        if not isinstance(value, dict):
            self.problems.append(f"a region has no value: {str(region)[:80]}")
            return
        field = region.get("from_name")
        if field == "evidence":
            self._take_evidence(value)
        elif field in TEXT_FIELDS:
            self._take_text(field, value)
            meta = region.get("meta")
            if field == "prompt" and isinstance(meta, dict) and isinstance(meta.get("pair"), dict):
                self.overrides = meta["pair"]
        elif field == "answerable":
            self.answerable = UNANSWERABLE not in value.get("choices", [])
        elif field == "rating":
            self._take_rating(value)
        else:
            self.problems.append(f"there is no field {field!r} in this task type")

    def label(self) -> PromptResponse | None:
        """Return the label; None where question or answer is missing, or nothing is left of the proof that was marked."""
        prompt, response = (("\n".join(self.texts[field])) for field in ("prompt", "response"))
        if is_blank(prompt):
            self.problems.append("the question is empty")
        if not self.answerable and response.strip() != REFUSAL:
            # The tick wins over a draft answer that the annotator left standing.
            response = REFUSAL
        if is_blank(response):
            self.problems.append(f"the answer is empty, and {UNANSWERABLE!r} is not ticked")
        if is_blank(prompt) or is_blank(response) or (self.unplaced and not self.evidence):
            return None
        answerable = response.strip() != REFUSAL
        quotes = tuple(quote for quote in self.texts["quotes"] if quote)
        comment = "\n".join(self.texts["comment"])
        return PromptResponse(prompt, response, answerable, tuple(self.evidence), quotes, self.rating, comment, self.overrides)

    def _take_evidence(self, value: dict[str, Any]) -> None:
        start, end, shown = value.get("start"), value.get("end"), value.get("text")
        if not isinstance(start, int) or not isinstance(end, int):
            self.unplaced += 1
            self.problems.append(f"evidence has no whole-number offsets: {start!r} to {end!r}")
            return
        span = locate_span(self.passage, start, end, shown if isinstance(shown, str) else None)
        if span is not None:
            self.evidence.append(span)
            return
        self.unplaced += 1
        if not 0 <= start < end <= len(self.passage):
            self.problems.append(f"evidence {start} to {end} lies outside the passage of {len(self.passage)} characters")
        else:
            there = self.passage[start:end]
            self.problems.append(f"evidence {start} to {end} says {_short(shown)} but the passage has {_short(there)} there")

    def _take_text(self, field: str, value: dict[str, Any]) -> None:
        text = value.get("text")
        entries = [text] if isinstance(text, str) else text
        if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
            self.problems.append(f"field {field!r} holds no text: {_short(text)}")
            return
        self.texts[field].extend(entries)

    def _take_rating(self, value: dict[str, Any]) -> None:
        rating = value.get("rating")
        if not isinstance(rating, int) or isinstance(rating, bool) or not 1 <= rating <= MAX_RATING:
            self.problems.append(f"the rating must be 1 to {MAX_RATING}, found {rating!r}")
            return
        self.rating = rating


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


def _short(text: Any) -> str:
    shown = repr(text)
    return shown if len(shown) <= 80 else shown[:77] + "…'"
