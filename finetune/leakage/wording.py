"""Requests of two parts that are worded alike: equal, equal but for case and marks, or near-duplicates by MinHash.

Near-duplicates are found with MinHash signatures and locality-sensitive hashing over runs of four letters (Broder 1997), and
each candidate is verified by its true similarity.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from doyen.finetune.leakage.requests import (
    FROZEN,
    TEST,
    TRAIN,
    VALIDATION,
    Leak,
    LeakKind,
    Request,
    about_the_same,
    equal_answers,
    other_answer,
    same_answer,
    same_but_for_more,
    same_but_for_spelling,
)

SHINGLE = 4
PERMUTATIONS = 64
SIMILAR = 0.6
"""Share of common runs from which two requests with the same answer are one, where one has no word of its own."""
ALIKE = 0.85
"""Share of common runs from which two requests that differ in spelling and courtesies are one, unless answers differ."""
SAME_WORDS = 0.95
"""Share of common words from which two requests with the same figures are one. Where a single word differs it takes forty
words to get there."""

ORDER = (TEST, VALIDATION, TRAIN, FROZEN)

Places = tuple[int, int]


def equal_requests(requests: Sequence[Request]) -> Iterator[tuple[Places, Leak]]:
    """Yield the requests of different parts with the same text, or the same words whatever their case, marks and order."""
    yield from _with_equal_keys(requests, [request.text for request in requests], LeakKind.EXACT)
    yield from _with_equal_keys(requests, [request.words or request.text for request in requests], LeakKind.NORMALISED)


def near_duplicates(requests: Sequence[Request]) -> Iterator[tuple[Places, Leak]]:
    """Yield the requests of different parts that are nearly worded alike and are one question all the same."""
    for here, there in _candidates(requests):
        one, other = requests[here], requests[there]
        common = _similarity(one, other)
        if common is not None:
            yield (here, there), leak_of(LeakKind.NEAR, one, other, common)


def leak_of(kind: LeakKind, one: Request, other: Request, similarity: float | None = None) -> Leak:
    """Return the leak between two requests, the held-out one first and a frozen one last."""
    first, second = sorted((one, other), key=lambda request: ORDER.index(request.part))
    return Leak(kind, (first.part, second.part), (first.id, second.id), (first.text, second.text), similarity=similarity)


def _with_equal_keys(requests: Sequence[Request], keys: Sequence[Hashable], kind: LeakKind) -> Iterator[tuple[Places, Leak]]:
    holders: dict[Hashable, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        if requests[place].part != TRAIN:
            holders[key].append(place)
    for place, key in enumerate(keys):
        for other in holders.get(key, ()):
            if in_order(requests, place, other):
                yield (place, other), leak_of(kind, requests[place], requests[other])


def in_order(requests: Sequence[Request], place: int, other: int) -> bool:
    """Whether a pair of places is to be reported, and not its mirror image."""
    return requests[place].part != requests[other].part and (requests[place].part == TRAIN or place < other)


def _candidates(requests: Sequence[Request]) -> Iterator[Places]:
    """Yield the places of requests that probably share `SIMILAR` of their runs."""
    held_out = [place for place, request in enumerate(requests) if request.part != TRAIN]
    if not held_out or (len(held_out) == len(requests) and len({request.part for request in requests}) == 1):
        return
    from datasketch import MinHashLSH

    signatures = _signatures(requests)
    found = MinHashLSH(threshold=SIMILAR, num_perm=PERMUTATIONS)
    for place in held_out:
        found.insert(place, signatures[place], check_duplication=False)
    for place in range(len(requests)):
        for other in sorted(found.query(signatures[place])):
            if in_order(requests, place, other) and requests[place].words != requests[other].words:
                yield place, other


def _signatures(requests: Sequence[Request]) -> list[Any]:
    from datasketch import MinHash

    runs = ([run.encode() for run in _runs(request)] for request in requests)
    return list(MinHash.generator(runs, num_perm=PERMUTATIONS, scheme="affine32"))


def _similarity(one: Request, other: Request) -> float | None:
    """Return the share of common runs, where it makes the two one question; else None."""
    if one.numbers != other.numbers:
        return None
    mine, theirs = _runs(one), _runs(other)
    common = len(mine & theirs) / len(mine | theirs)
    alike = same_but_for_spelling(one, other)
    if common >= SIMILAR and about_the_same(one, other) and (same_answer(one, other) or equal_answers(one, other)):
        if alike or same_but_for_more(one, other):
            return common
    elif common >= ALIKE and alike and not other_answer(one, other):
        return common
    words = len(one.words & other.words) / len(one.words | other.words)
    return words if words >= SAME_WORDS else None


def _runs(request: Request) -> set[str]:
    text = request.plain
    return {text[start : start + SHINGLE] for start in range(max(1, len(text) - SHINGLE + 1))}
