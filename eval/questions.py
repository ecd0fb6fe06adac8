"""The frozen questions: reading them, and taking a sample in which every tag is heard."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select

from doyen.core.errors import UsageError
from doyen.core.manifest import fingerprint
from doyen.core.records import Question, read_records
from doyen.core.store import Store
from doyen.core.store.schema import DocumentRow


def load_questions(path: Path) -> list[Question]:
    """Read a questions.jsonl.

    Raises:
        InputError: the file does not exist or holds no question.
        RecordError: broken lines, all named.
    """
    return read_records(path, Question)


def questions_sha256(questions: Sequence[Question]) -> str:
    """Return the hash of the questions' content, whatever the file's spacing: it freezes them."""
    return fingerprint([question.model_dump() for question in questions])


def resolve_duplicates(questions: Sequence[Question], store: Store) -> list[Question]:
    """Return the questions with the indexed twin as source, where theirs is an exact duplicate that is not indexed."""
    query = select(DocumentRow.source, DocumentRow.duplicate_of).where(DocumentRow.duplicate_of.is_not(None))
    with store.session() as session:
        twins = {source: twin for source, twin in session.execute(query)}  # noqa: C416 - dict() fails on a result
        ids = [document_id for document_id in twins.values() if document_id]
        rows = session.execute(select(DocumentRow.document_id, DocumentRow.source).where(DocumentRow.document_id.in_(ids)))
        names = {document_id: source for document_id, source in rows}  # noqa: C416
    moved = {source: names[document_id] for source, document_id in twins.items() if document_id in names}
    return [q.model_copy(update={"source": moved[q.source]}) if q.source in moved else q for q in questions]


def without_repeats(questions: Sequence[Question]) -> tuple[list[Question], dict[str, str]]:
    """Return the first of the questions that ask the same, and the ids of the others with the id that each repeats.

    Copies of a question say no more than it does, but would make intervals narrow and gates open.
    """
    first: dict[str, Question] = {}
    repeats = {}
    for question in questions:
        kept = first.setdefault(question.repeat_hash, question)
        if kept is not question:
            repeats[question.id] = kept.id
    return list(first.values()), repeats


def without_tag(questions: Sequence[Question], tag: str) -> list[Question]:
    """Return the questions that do not carry a tag.

    Raises:
        UsageError: all carry it.
    """
    kept = [question for question in questions if tag not in question.tags]
    if not kept:
        raise UsageError(f"all {len(questions)} questions are tagged {tag!r}: none is left to ask")
    return kept


def sample(questions: Sequence[Question], n: int, seed: int, *, unanswerable: int = 0) -> list[Question]:
    """Return ``n`` of the questions in their order, each combination of tags in proportion and, if possible, present.

    Which ones is decided by a hash of seed and id, so that adding questions hardly moves the sample.

    Args:
        unanswerable: at least so many of them, as far as there are; refusals of two or three tell nothing.

    Raises:
        UsageError: ``n`` is not positive.
    """
    if n < 1:
        raise UsageError(f"a sample of {n} questions is none: ask for at least 1")
    if n >= len(questions):
        return list(questions)
    chosen = _proportional(questions, n, seed)
    refusing = [question for question in questions if not question.answerable]
    wanted = min(unanswerable, len(refusing), n)
    if sum(question.id in chosen for question in refusing) < wanted:
        answerable = [question for question in questions if question.answerable]
        chosen = _proportional(refusing, wanted, seed) | _proportional(answerable, n - wanted, seed)
    return [question for question in questions if question.id in chosen]


def _proportional(questions: Sequence[Question], n: int, seed: int) -> set[str]:
    """Return the ids of ``n`` of the questions, each combination of tags in proportion."""
    strata: dict[tuple[str, ...], list[Question]] = defaultdict(list)
    for question in questions:
        strata[tuple(sorted(question.tags))].append(question)
    wanted = _allocate({tags: len(members) for tags, members in strata.items()}, n)
    chosen: set[str] = set()
    for tags, members in strata.items():
        drawn = sorted(members, key=lambda question: hashlib.sha256(f"{seed}:{question.id}".encode()).hexdigest())
        chosen.update(question.id for question in drawn[: wanted[tags]])
    return chosen


def _allocate(sizes: dict[tuple[str, ...], int], n: int) -> dict[tuple[str, ...], int]:
    """Share ``n`` among the strata: one for each, largest first, then by largest remainder to the proportional share."""
    total = sum(sizes.values())
    given = dict.fromkeys(sizes, 0)
    for tags in sorted(sizes, key=lambda tags: (-sizes[tags], tags))[:n]:
        given[tags] = 1
    for _ in range(n - sum(given.values())):
        open_strata = [tags for tags in sizes if given[tags] < sizes[tags]]
        neediest = max(open_strata, key=lambda tags: (n * sizes[tags] / total - given[tags], tags))
        given[neediest] += 1
    return given
