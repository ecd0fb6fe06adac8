"""Checking labels, whichever tool they come from or go to: offsets, ids, relations, names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise

from doyen.annotation.types.typed_labels import (
    Classes,
    Coreference,
    Entities,
    Label,
    LabelError,
    LabelledText,
    PromptResponse,
    Region,
    Relation,
    Tags,
    regions_of,
)
from doyen.core.records import REFUSAL
from doyen.core.text import is_blank

ANY_LABEL = (PromptResponse, Classes, Entities, Coreference, Tags)
MAX_RATING = 5


def checked(labels: Iterable[LabelledText], *types: type) -> Iterator[LabelledText]:
    """Pass labels on to a writer that can carry labels of these types: all of one type, each valid.

    Raises:
        LabelError: one is not.
    """
    first: type | None = None
    for item in labels:
        found = type(item.label)
        first = first or found
        problems = problems_of(item)
        if found not in types:
            problems.append(f"labels of type {found.__name__} cannot be written in this format")
        elif found is not first:
            problems.append(f"it is of type {found.__name__} among labels of type {first.__name__}: write one type a file")
        if problems:
            raise LabelError([f"item {item.item_id!r}: {problem}" for problem in problems])
        yield item


def problems_of(item: LabelledText) -> list[str]:
    """Return everything that is wrong with a label; empty when it is valid."""
    problems = ["it has no id"] if is_blank(item.item_id) else []
    if not encodable(item.text):
        problems.append("the text holds half of a surrogate pair: it was cut in UTF-16 units")
    match item.label:
        case PromptResponse():
            problems += _prompt_problems(item.label, item.text)
        case Classes():
            problems += _class_problems(item.label)
        case _:
            problems += _text_problems(item)
    return problems


def region_problems(text: str, regions: Iterable[Region]) -> list[str]:
    """Return what is wrong with the offsets and labels of marked stretches."""
    problems = []
    for region in regions:
        if not 0 <= region.start < region.end <= len(text):
            where = f"{region.start} to {region.end}"
            problems.append(f"{region.label!r} at {where} lies outside the text of {len(text)} characters")
        if is_blank(region.label):
            problems.append(f"the stretch {region.start} to {region.end} has no label")
    return problems


def _text_problems(item: LabelledText) -> list[str]:
    regions = list(regions_of(item.label))
    problems = region_problems(item.text, regions)
    known = {region.id for region in regions}
    if len(known) < len(regions):
        twice = [name for name, count in Counter(region.id for region in regions).items() if count > 1]
        problems += [f"the id {name!r} stands for several stretches" for name in twice]
    for relation in _relations_of(item.label):
        missing = [name for name in (relation.head, relation.tail) if name not in known]
        problems += [f"relation {relation.label!r} names the stretch {name!r}, which is not there" for name in missing]
    if isinstance(item.label, Tags):
        for before, after in pairwise(regions):
            if after.start < before.end:
                problems.append(f"the tokens at {before.start} and {after.start} overlap or stand in the wrong order")
    return problems


def _relations_of(label: Label) -> tuple[Relation, ...]:
    match label:
        case Entities():
            return label.relations
        case Coreference():
            return label.links
        case _:
            return ()


def _class_problems(label: Classes) -> list[str]:
    problems = ["a class has no name"] if any(map(is_blank, label.labels)) else []
    twice = [name for name, count in Counter(label.labels).items() if count > 1]
    return problems + [f"class {name!r} is given twice" for name in twice]


def _prompt_problems(label: PromptResponse, passage: str) -> list[str]:
    problems = []
    if is_blank(label.prompt):
        problems.append("the prompt is empty")
    if is_blank(label.response):
        problems.append("the response is empty")
    if label.answerable != (label.response.strip() != REFUSAL):
        problems.append(f"answerable is {label.answerable}, which contradicts the response")
    for span in label.evidence:
        if not 0 <= span.start < span.end <= len(passage):
            problems.append(f"evidence {span.start} to {span.end} lies outside the passage of {len(passage)} characters")
        elif passage[span.start : span.end] != span.text:
            problems.append(f"evidence {span.start} to {span.end} does not read {span.text[:40]!r} in the passage")
    if label.rating is not None and label.rating not in range(1, MAX_RATING + 1):
        problems.append(f"the rating must be 1 to {MAX_RATING}, found {label.rating!r}")
    return problems


def encodable(text: str) -> bool:
    """Return whether a text can be written as UTF-8: half a surrogate pair cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
