"""Descriptions of every task type, and random labels that are valid under them."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import strategies as st

from doyen.annotation.task_types import TaskType, get_task_type
from doyen.annotation.types.descriptions import default_description, parse_description
from doyen.annotation.types.spans import Span
from doyen.annotation.types.typed_labels import Classes, Coreference, Entities, Label, PromptResponse, Region, Relation, Tags
from doyen.core.records import REFUSAL
from doyen.core.text import is_blank
from support.format_labels import PIECES, TEXTS

NAMES = ["PART", "spare part, <new>", "été", "O", "1", "[x]", "a|b", 'so "called"', "A:"]
RAW: dict[str, dict[str, Any]] = {
    "classification": {"type": "classification", "labels": [{"name": name} for name in NAMES]},
    "several classes": {"type": "classification", "multiple": True, "labels": [{"name": name} for name in NAMES]},
    "entities": {"type": "entities", "labels": [{"name": name} for name in NAMES]},
    "related entities": {
        "type": "entities",
        "labels": [{"name": name} for name in NAMES],
        "relations": ["part of", "-> 2", "è"],
    },
    "named mentions": {"type": "coreference", "labels": [{"name": "PERSON"}, {"name": "THING @2"}]},
}
TASK_TYPES: dict[str, TaskType] = {
    name: get_task_type(raw["type"], parse_description(raw, name)) for name, raw in RAW.items()
} | {name: get_task_type(name, default_description(name)) for name in ("prompt-response", "sentiment", "coreference", "pos")}
SOLID = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(lambda text: not is_blank(text))


@st.composite
def labelled(draw: Any, kind: str) -> tuple[str, Label]:
    """A text and a label of it, its regions in order."""
    text = draw(TEXTS)
    return text, draw(label_of(kind, text))


@st.composite
def label_of(draw: Any, kind: str, text: str) -> Label:
    task_type = TASK_TYPES[kind]
    names = task_type.description.label_names
    if task_type.name in {"classification", "sentiment"}:
        several = task_type.description.multiple
        chosen = draw(st.sets(st.sampled_from(names), min_size=0 if several else 1, max_size=3 if several else 1))
        return Classes(tuple(name for name in names if name in chosen))
    if task_type.name == "prompt-response":
        response = draw(SOLID | st.just(REFUSAL))
        spans = tuple(Span(r.start, r.end, text[r.start : r.end]) for r in draw(regions(text, ("evidence",))))
        rating, quotes = draw(st.none() | st.integers(1, 5)), tuple(draw(st.lists(SOLID, max_size=2)))
        return PromptResponse(
            draw(SOLID), response, response.strip() != REFUSAL, spans, quotes, rating, draw(st.just("") | SOLID)
        )
    marked = draw(regions(text, names, apart=task_type.name == "pos"))
    if task_type.name == "pos":
        return Tags(marked)
    if task_type.name == "coreference":
        return Coreference(marked, draw(relations(marked, ("",))))
    return Entities(marked, draw(relations(marked, task_type.description.relations)))


@st.composite
def regions(draw: Any, text: str, names: tuple[str, ...], *, apart: bool = False) -> tuple[Region, ...]:
    places = st.integers(0, len(text))
    if apart:
        bounds = sorted(draw(st.sets(places, max_size=8)))
        found = list(zip(bounds[::2], bounds[1::2], strict=False))
    else:
        pair = st.tuples(places, places).filter(lambda pair: pair[0] != pair[1]).map(lambda pair: tuple(sorted(pair)))
        found = draw(st.lists(pair, max_size=5))
    made = [(start, end, draw(st.sampled_from(names))) for start, end in found]
    return tuple(Region(f"r{number}", *entry) for number, entry in enumerate(sorted(made)))


@st.composite
def relations(draw: Any, marked: tuple[Region, ...], names: tuple[str, ...]) -> tuple[Relation, ...]:
    if len(marked) < 2 or not names:
        return ()
    ends = st.tuples(*[st.sampled_from([region.id for region in marked])] * 2).filter(lambda pair: pair[0] != pair[1])
    links = draw(st.lists(st.tuples(ends, st.sampled_from(names)), max_size=4))
    return tuple(Relation(*pair, name) for pair, name in links)


OPENING = "The pump PN 410-778 must be replaced every 4,000 hours; it leaks. "
"""Something that the rules of every type have an opinion about."""


def random_text(rng: random.Random) -> str:
    return OPENING + "".join(rng.choice(PIECES) for _ in range(12))


def random_label(rng: random.Random, task_type: TaskType, text: str) -> Label:
    names = task_type.description.label_names
    if task_type.name in {"classification", "sentiment"}:
        wanted = rng.randint(0, 3) if task_type.description.multiple else 1
        chosen = rng.sample(names, wanted)
        return Classes(tuple(name for name in names if name in chosen))
    cuts = sorted(rng.sample(range(len(text) + 1), 8))
    if task_type.name == "pos":
        spans = list(zip(cuts[::2], cuts[1::2], strict=True))
    else:
        spans = sorted({tuple(sorted(rng.sample(range(len(text) + 1), 2))) for _ in range(3)})
    if task_type.name == "prompt-response":
        evidence = tuple(Span(start, end, text[start:end]) for start, end in spans)
        return PromptResponse(
            "How often? 😀", f"Every\r\n{rng.random()} h", True, evidence, ("else\u0301where",), rng.randint(1, 5)
        )
    marked = tuple(Region(f"r{n}-{rng.random()}", *span, rng.choice(names)) for n, span in enumerate(spans))
    if task_type.name == "pos":
        return Tags(marked)
    links = [rng.sample([region.id for region in marked], 2) for _ in range(2)] if len(marked) > 1 else []
    if task_type.name == "coreference":
        return Coreference(marked, tuple(Relation(*pair) for pair in links))
    return Entities(marked, tuple(Relation(*pair, rng.choice(task_type.description.relations)) for pair in links))
