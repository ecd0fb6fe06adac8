"""One version of each document answers; what the others say in the same place is shown beside it where it differs.

found      rev C p1 │ rev B p1 │ manual p1 │ rev B p2          newest first, see retrieval/versions.py
read       rev C p1 │ manual p1                                the version that comes first
set aside  rev B p1 │ rev B p2                                 "24 months" beside the answer "30 months"
looked up  rev B p4                                            by the cited sentence, where none of these is in its place
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from doyen.core.answers import Citation, Passage
from doyen.retrieval.citations import citation_at
from doyen.retrieval.tokens import likeness, tokens
from doyen.retrieval.units import split_sentences

SAME_PLACE = 0.5
"""Least similarity (Dice, of distinct tokens) of two sentences that say something about the same."""
SET_ASIDE = 4
"""Passages that are asked for beyond those that are read, because some may be set aside."""


def set_aside(passages: Sequence[Passage]) -> tuple[list[Passage], list[Passage]]:
    """Return the passages of the version of each document that comes first, and those of its other versions."""
    first: dict[str, str] = {}
    read: list[Passage] = []
    others: list[Passage] = []
    for passage in passages:
        document = first.setdefault(passage.superseded_by or passage.source, passage.source)
        (read if document == passage.source else others).append(passage)
    return read, others


def differing(citations: Sequence[Citation], others: Sequence[Passage]) -> list[Citation]:
    """Return the sentences of other versions that stand where cited ones do and say something else, each once.

    Args:
        citations: of the answer.
        others: passages of other versions, as `set_aside` gives them; passages of other documents are left out.
    """
    found: dict[tuple[str, int], Citation] = {}
    for citation in citations:
        for place in _same_places(citation, others):
            if set(tokens(place.quote)) != set(tokens(citation.quote)):
                found.setdefault((place.source, place.start), replace(place, marker=citation.marker))
    return list(found.values())


def to_look_up(citations: Sequence[Citation], others: Sequence[Passage]) -> list[str]:
    """Return the cited sentences of documents with other versions of which none of the others holds the place.

    A question may be like the version in force only; its sentence is like that of the older one.
    """
    return [citation.quote for citation in citations if citation.revision and not _same_places(citation, others)]


def _same_places(citation: Citation, others: Sequence[Passage]) -> list[Citation]:
    """Return of each other version of a cited document the sentence that is most like the cited one."""
    family = citation.superseded_by or citation.source
    versions = [each for each in others if (each.superseded_by or each.source) == family and each.source != citation.source]
    sources = dict.fromkeys(each.source for each in versions)
    places = (_same_place(citation.quote, [each for each in versions if each.source == source]) for source in sources)
    return [place for place in places if place is not None]


def _same_place(quote: str, passages: Sequence[Passage]) -> Citation | None:
    """Return the sentence that is most like the quote; None where none is alike."""
    best, place = SAME_PLACE, None
    for number, passage in enumerate(passages, start=1):
        for start, end in split_sentences(passage.text):
            alike = likeness(quote, passage.text[start:end])
            if alike > best or (alike == best and place is None):
                best, place = alike, citation_at(passages, number, start, end)
    return place
