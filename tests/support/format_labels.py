"""Random labels of every task type, and labels compared apart from the ids of their regions."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from doyen.annotation.types.spans import Span
from doyen.annotation.types.typed_labels import (
    Classes,
    Coreference,
    Entities,
    Label,
    LabelledText,
    PromptResponse,
    Region,
    Relation,
    Tags,
)
from doyen.core.records import REFUSAL
from doyen.core.text import is_blank

WORD_PIECES = ["Bob", "ran", "Zoë", "Cafe\u0301", "😀", "👩\u200d🔬", "e\u0301\u0323", "नमस्ते", "http://a.example/b", "O", "_"]
SIGN_PIECES = ['"', "'", "=1+1", "-", "@x", "|", "\\", "\\n", "#", ",", ";", "[", "]"]
BLANK_PIECES = [" ", "  ", "\n", "\r\n", "\r", "\t", "\u2028", "\x85", "\xa0", "\ufeff"]
PIECES = WORD_PIECES + SIGN_PIECES + BLANK_PIECES
TEXTS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map("".join)
NAMES = st.sampled_from(["PER", "place name", "1", "[x]", "=y", "été", "a,b", "a|b", "_", "I-X", '"q"', "yes", "-7"])
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), TEXTS)
KEYS = st.sampled_from(["source", "page", "meta", "text", "label", "split"])
META = st.dictionaries(KEYS, SCALARS | st.lists(SCALARS, max_size=2))
WORDS = TEXTS.filter(lambda text: not is_blank(text))


@st.composite
def regions(draw: Any, text: str, *, apart: bool = False) -> tuple[Region, ...]:
    """Marked stretches of a text; ``apart``: in order and without overlap."""
    places = st.integers(0, len(text))
    if apart:
        bounds = sorted(draw(st.sets(places, max_size=8)))
        pairs = list(zip(bounds[::2], bounds[1::2], strict=False))
    else:
        pair = st.tuples(places, places).filter(lambda found: found[0] != found[1]).map(sorted)
        pairs = [tuple(found) for found in draw(st.lists(pair, max_size=4))]
    return tuple(Region(f"r{n}-{start}", start, end, draw(NAMES)) for n, (start, end) in enumerate(pairs))


@st.composite
def relations(draw: Any, marked: tuple[Region, ...], labels: Any) -> tuple[Relation, ...]:
    if not marked:
        return ()
    ids = st.sampled_from([region.id for region in marked])
    return tuple(draw(st.lists(st.builds(Relation, ids, ids, labels), max_size=3)))


@st.composite
def label_of(draw: Any, kind: str, text: str) -> Label:
    if kind == "classification":
        return Classes(tuple(draw(st.lists(NAMES, min_size=0, max_size=3, unique=True))))
    if kind == "sentiment":
        return Classes((draw(st.sampled_from(["positive", "neutral", "negative"])),))
    if kind == "pos":
        return Tags(draw(regions(text, apart=True)))
    if kind == "prompt-response":
        response = draw(WORDS | st.just(REFUSAL))
        spans = tuple(Span(r.start, r.end, text[r.start : r.end]) for r in draw(regions(text)))
        return PromptResponse(
            draw(WORDS),
            response,
            response.strip() != REFUSAL,
            spans,
            tuple(draw(st.lists(TEXTS, max_size=2))),
            draw(st.none() | st.integers(1, 5)),
            draw(st.just("") | TEXTS),
            draw(st.none() | st.just({"source": "a.md", "history": [{"role": "user", "content": "Hi\n"}]})),
        )
    marked = draw(regions(text))
    if kind == "coreference":
        return Coreference(marked, draw(relations(marked, st.just(""))))
    return Entities(marked, draw(relations(marked, NAMES)))


@st.composite
def labelled_texts(draw: Any, kind: str) -> list[LabelledText]:
    """A few labels of one type, some of one item by two annotators."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        text = draw(TEXTS | st.just("")) if kind == "prompt-response" else draw(TEXTS)
        meta = draw(META)
        for annotator in draw(st.sampled_from([("",), ("ann@example.com",), ("ann@example.com", "böb")])):
            created_at = draw(st.sampled_from(["", "2026-01-02T03:04:05+00:00"]))
            label = draw(label_of(kind, text))
            found.append(LabelledText(f"item-{number}", text, label, annotator, created_at, meta))
    return found


def comparable(item: LabelledText) -> LabelledText:
    """Return the label with ids of regions that follow from their order."""
    return LabelledText(item.item_id, item.text, plain(item.label), item.annotator, item.created_at, dict(item.meta))


def plain(label: Label) -> Label:
    """Return a label whose regions are numbered in their order."""
    match label:
        case Entities(regions=marked, relations=links) | Coreference(regions=marked, relations=links):
            numbers = {region.id: str(number) for number, region in enumerate(marked)}
            renumbered = tuple(Region(numbers[r.id], r.start, r.end, r.label) for r in marked)
            return type(label)(renumbered, tuple(Relation(numbers[x.head], numbers[x.tail], x.label) for x in links))
        case Tags():
            return Tags(tuple(Region(str(n), r.start, r.end, r.label) for n, r in enumerate(label.regions)))
        case _:
            return label
