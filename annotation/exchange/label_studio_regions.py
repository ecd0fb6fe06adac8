"""The regions of Label Studio's annotations as typed labels, from any labelling configuration, and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from doyen.annotation.exchange.columns import CLASS_KINDS, PASSAGES, PROMPTS, RESPONSES, names, region, span_label
from doyen.annotation.exchange.losses import Losses
from doyen.annotation.exchange.record_files import Row
from doyen.annotation.labelstudio.regions import CLASS, MARKS, TEXT_FIELDS, Result, read_prompt_response
from doyen.annotation.types.spans import locate_span
from doyen.annotation.types.typed_labels import Classes, Label, LabelError, PromptResponse, Region, Relation, short
from doyen.core.records import REFUSAL
from doyen.core.text import is_blank

MARKED = ("labels", "hypertextlabels")
KEPT_KEYS = ("title", "conversation", "prompt", "history")
"""What of our tasks' data follows from the rest, or is said by the label."""
OUR_FIELDS: dict[str, tuple[str, ...]] = {
    "prompt-response": ("evidence", *TEXT_FIELDS, "answerable", "rating"),
    **dict.fromkeys(CLASS_KINDS, (CLASS,)),
    **dict.fromkeys(("entities", "coreference", "pos"), (MARKS,)),
}
"""The names of the fields on our screens."""


def read_regions(result: Result, text: str, kind: str, losses: Losses, question: str = "") -> Label | None:
    """Return the label of that type which a result means; None where it says nothing of the kind.

    Args:
        result: the regions.
        text: what was labelled; for prompt/response the passage, or the question where there is no passage.
        kind: name of the type.
        losses: counts what is not read.
        question: what the task asks, for a result that holds an answer alone.

    Raises:
        LabelError: regions contradict the text.
    """
    if kind == "prompt-response":
        return _read_prompt(result, text, losses, question or text)
    if kind in CLASS_KINDS:
        return _read_classes(result, losses)
    return _read_marks(result, text, kind, losses)


def text_key(data: Row, result: Result, kind: str) -> str:
    """Return which of a task's data was labelled: ``text``, else what alone is text, or alone fits the marks.

    For prompt/response it is the passage; without one, the question.

    Raises:
        LabelError: there is none, or several could be.
    """
    texts = [name for name, value in data.items() if isinstance(value, str) and name != "uid"]
    usual = ("text", *PASSAGES, *PROMPTS) if kind == "prompt-response" else ("text",)
    preferred = [name for name in usual if name in texts]
    if preferred:
        return preferred[0]
    fitting = [name for name in texts if all(_fits(entry, data[name]) for entry in result)] if len(texts) > 1 else texts
    shown = {entry.get("to_name") for entry in result}
    chosen = fitting if len(fitting) == 1 else [name for name in fitting if name in shown]
    if len(chosen) != 1:
        known = ", ".join(map(repr, texts)) or "no text at all"
        raise LabelError([f"which of its data was labelled? It has {known}: name that one 'text'"])
    return chosen[0]


def question_key(data: Row) -> str | None:
    """Return which of a task's data is its question, if any is."""
    return next((name for name in PROMPTS if isinstance(data.get(name), str) and not is_blank(data[name])), None)


def _fits(entry: Row, text: str) -> bool:
    value = entry.get("value")
    if not isinstance(value, dict) or not isinstance(value.get("start"), int) or not isinstance(value.get("end"), int):
        return True
    return locate_span(text, value["start"], value["end"], value.get("text")) is not None


def _value(entry: Row) -> Row:
    value = entry.get("value")
    if not isinstance(value, dict):
        raise LabelError([f"a region has no value: {short(entry)}"])
    return value


def _read_classes(result: Result, losses: Losses) -> Classes:
    """Return the chosen classes; where one field has our name, those of that field alone."""
    chosen = [entry for entry in result if entry.get("type") == "choices" and "start" not in _value(entry)]
    fields = {str(entry.get("from_name")) for entry in chosen}
    if CLASS in fields:
        chosen, fields = [entry for entry in chosen if entry.get("from_name") == CLASS], {CLASS}
    _drop(result, chosen, losses)
    losses.drop("question's name (answers to several questions become one list)", len(fields) if len(fields) > 1 else 0)
    found = [name for entry in chosen for name in names(_value(entry).get("choices") or [], "choices")]
    return Classes(tuple(dict.fromkeys(found)))


def _read_marks(result: Result, text: str, kind: str, losses: Losses) -> Label:
    marked = [entry for entry in result if entry.get("type") in MARKED]
    links = [entry for entry in result if entry.get("type") == "relation"]
    _drop(result, [*marked, *links], losses)
    regions = [found for number, entry in enumerate(marked) for found in _marks(number, entry, text, losses)]
    known = {found.id for found in regions}
    relations = [found for link in links for found in _relations(link, known, kind, losses)]
    return span_label(kind, regions, relations, losses)


def _marks(number: int, entry: Row, text: str, losses: Losses) -> Iterator[Region]:
    """Yield a mark; one with several labels is several marks."""
    value = _value(entry)
    labels = names(value.get(str(entry["type"])) or value.get("labels") or [], "labels")
    losses.drop("mark without a label", int(not labels))
    identity = str(entry["id"]) if entry.get("id") is not None else str(number)
    for position, name in enumerate(labels):
        found = region(identity if position == 0 else f"{identity}-{position}", value.get("start"), value.get("end"), name)
        shown = value.get("text")
        span = locate_span(text, found.start, found.end, shown if isinstance(shown, str) else None)
        if span is None:
            there = short(text[found.start : found.end])
            raise LabelError([f"{name!r} at {found.start} to {found.end} says {short(shown)}, but the text has {there} there"])
        yield Region(found.id, span.start, span.end, name)


def _relations(link: Row, known: set[str], kind: str, losses: Losses) -> Iterator[Relation]:
    """Yield a relation; one with several names, or in both directions, is several."""
    ends = str(link.get("from_id")), str(link.get("to_id"))
    labels = names(link.get("labels") or [], "labels")
    if not set(ends) <= known:
        losses.drop("relation to what is no mark")
        return
    if kind == "entities" and not labels:
        losses.drop("relation without a name")
    for name in labels if kind == "entities" else [""]:
        if link.get("direction") != "left":
            yield Relation(*ends, name)
        if link.get("direction") in {"left", "bi"} and kind == "entities":
            yield Relation(*ends[::-1], name)


def _read_prompt(result: Result, text: str, losses: Losses, question: str) -> PromptResponse | None:
    """Return question and answer: of our own screen, of two text fields with usual names, or one that answers the question."""
    own = [entry for entry in result if entry.get("from_name") in OUR_FIELDS["prompt-response"]]
    if {"prompt", "response"} <= {entry.get("from_name") for entry in own} or _is_refused(own):
        _drop(result, own, losses)
        label, problems = read_prompt_response(own, text)
        if label is None or problems:
            raise LabelError(problems)
        return label
    written: dict[str, str] = {}
    areas = [entry for entry in result if entry.get("type") == "textarea"]
    for entry in areas:
        name = str(entry.get("from_name"))
        written[name] = "\n".join(filter(None, [written.get(name), *names(_value(entry).get("text") or [], "text")]))
    _drop(result, areas, losses)
    prompt = next((written.pop(name) for name in PROMPTS if name in written), None)
    response = next((written.pop(name) for name in RESPONSES if name in written), None)
    if response is None and len(written) == 1:
        response = written.popitem()[1]
    if response is None:
        return None
    for name in written:
        losses.drop(f"field {name!r}")
    return PromptResponse(prompt or question, response, response.strip() != REFUSAL)


def _is_refused(own: Result) -> bool:
    found = {entry.get("from_name") for entry in own}
    return {"prompt", "answerable"} <= found


def _drop(result: Result, used: list[Any], losses: Losses) -> None:
    """Count the regions that are not read."""
    for entry in result:
        if not any(entry is one for one in used):
            losses.drop(f"field {entry.get('from_name') or entry.get('type')!r}")
