"""Checking labels, whichever tool they come from or go to: offsets, ids, relations, names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise

from doyen.annotation.labelstudio.regions import MAX_RATING
from doyen.annotation.types.typed_labels import Classes, LabelledText, Marks, PromptResponse, Tags
from doyen.core.records import REFUSAL
from doyen.core.text import is_blank


def problems_of(item: LabelledText) -> list[str]:
    """Return everything that is wrong with a label; empty when it is valid."""
    problems = ["it has no id"] if is_blank(item.item_id) else []
    if not encodable(item.text):
        problems.append("the text holds half of a surrogate pair: it was cut in UTF-16 units")
    match item.label:
        case PromptResponse():
            problems += _prompt_problems(item.label, item.text)
        case Classes():
            problems += ["a class has no name"] if any(map(is_blank, item.label.labels)) else []
            problems += [f"class {name!r} is given twice" for name in _repeated(item.label.labels)]
        case Marks():
            problems += _span_problems(item.label, len(item.text))
    return problems


def encodable(text: str) -> bool:
    """Return whether a text can be written as UTF-8: half a surrogate pair cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _span_problems(label: Marks, length: int) -> Iterator[str]:
    regions = label.regions
    for region in regions:
        where = f"{region.start} to {region.end}"
        if not 0 <= region.start < region.end <= length:
            yield f"{region.label!r} at {where} lies outside the text of {length} characters"
        if is_blank(region.label):
            yield f"the stretch {where} has no label"
    yield from (f"the id {name!r} stands for several stretches" for name in _repeated(region.id for region in regions))
    known = {region.id for region in regions}
    for relation in label.relations:
        for name in (relation.head, relation.tail):
            if name not in known:
                yield f"relation {relation.label!r} names the stretch {name!r}, which is not there"
    for before, after in pairwise(regions) if isinstance(label, Tags) else ():
        if after.start < before.end:
            yield f"the tokens at {before.start} and {after.start} overlap or stand in the wrong order"


def _prompt_problems(label: PromptResponse, passage: str) -> Iterator[str]:
    if is_blank(label.prompt):
        yield "the prompt is empty"
    if is_blank(label.response):
        yield "the response is empty"
    if label.answerable != (label.response.strip() != REFUSAL):
        yield f"answerable is {label.answerable}, which contradicts the response"
    for span in label.evidence:
        if not 0 <= span.start < span.end <= len(passage):
            yield f"evidence {span.start} to {span.end} lies outside the passage of {len(passage)} characters"
        elif passage[span.start : span.end] != span.text:
            yield f"evidence {span.start} to {span.end} does not read {span.text[:40]!r} in the passage"
    if label.rating is not None and label.rating not in range(1, MAX_RATING + 1):
        yield f"the rating must be 1 to {MAX_RATING}, found {label.rating!r}"


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
