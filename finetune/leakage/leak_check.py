"""The proof that a dataset leaks nothing: neither between its parts nor from frozen evaluation questions.

Nothing here is shared with the code that makes the split, so that a fault there cannot hide itself. The check is the
stricter one in what it calls a leak: of prompts that merely resemble each other the splitter errs on the safe side.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from doyen.core.records import Pair, Question
from doyen.finetune.leakage.meaning import Encoder, neighbours
from doyen.finetune.leakage.requests import FROZEN, TEST, TRAIN, VALIDATION, Leak, LeakKind, requests_of, without_classes
from doyen.finetune.leakage.wording import equal_requests, near_duplicates
from doyen.finetune.split import Split


@dataclass(frozen=True)
class LeakReport:
    """What the check found, and how it looked.

    Attributes:
        leaks: those between two requests named once, by the plainest kind.
        compared: a sentence for each comparison.
    """

    leaks: list[Leak]
    compared: dict[str, str]


def check_leaks(
    split: Split,
    near_groups: Mapping[str, str],
    questions: Sequence[Question] = (),
    *,
    encoder: Encoder | None = None,
    by_document: bool = True,
) -> LeakReport:
    """Compare training, validation, test and frozen questions with each other.

    Args:
        near_groups: near-duplicate group of each source.
        questions: frozen questions that no prompt may repeat.
        encoder: finds the same questions in other words; None compares wordings only.
        by_document: whether parts may share no document.
    """
    leaks = list(_shared_keys(split, near_groups, by_document=by_document))
    requests = without_classes(
        [
            *requests_of(TRAIN, split.train),
            *requests_of(VALIDATION, split.validation),
            *requests_of(TEST, split.test),
            *requests_of(FROZEN, questions),
        ]
    )
    found = dict(reversed([*equal_requests(requests), *near_duplicates(requests)]))
    compared = {"wording": f"{len(requests)} requests, exact, normalised and by MinHash"}
    if encoder is not None:
        close, how = neighbours(requests, encoder)
        found = dict(close) | found
        compared["meaning"] = str(how)
    return LeakReport(leaks + [found[places] for places in sorted(found)], compared)


def find_leaks(split: Split, near_groups: Mapping[str, str], questions: Sequence[Question] = ()) -> list[Leak]:
    """Return the leaks that documents, groups and wordings show; an empty list proves that there is none."""
    return check_leaks(split, near_groups, questions).leaks


def _shared_keys(split: Split, near_groups: Mapping[str, str], *, by_document: bool) -> Iterator[Leak]:
    """Yield a leak for each held-out pair that shares its document or its labelling group with an earlier part."""

    def document(pair: Pair) -> str | None:
        return None if pair.source is None else near_groups.get(pair.source, pair.source)

    kinds: list[tuple[LeakKind, Callable[[Pair], str | None]]] = [(LeakKind.GROUP, lambda pair: pair.group)]
    if by_document:
        kinds.insert(0, (LeakKind.DOCUMENT, document))
    parts = ((TRAIN, split.train), (VALIDATION, split.validation), (TEST, split.test))
    for kind, key_of in kinds:
        holders: dict[str, tuple[str, Pair]] = {}
        for part, pairs in parts:
            own: dict[str, list[Pair]] = defaultdict(list)
            for pair in pairs:
                if (key := key_of(pair)) is not None:
                    own[key].append(pair)
            for key, members in own.items():
                where, other = holders.setdefault(key, (part, members[0]))
                if where != part:
                    for pair in members:
                        yield Leak(kind, (part, where), (pair.id, other.id), (pair.prompt, other.prompt), detail=key)
