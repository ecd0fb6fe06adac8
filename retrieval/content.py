"""What the store wants indexed, and what of it an update has to do anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
from sqlalchemy import func, select

from doyen.core.batches import batched
from doyen.core.store import Store
from doyen.core.store.schema import ChunkRow, DocumentRow
from doyen.retrieval.context import context_of
from doyen.retrieval.lexical import IndexedChunk, LexicalIndex
from doyen.retrieval.segments import Segment

SMALL_SEGMENT = 32
LATER_SHARE = 16
MOST_LATER = 4096
"""Chunks that later segments may hold, and the first one may have dropped: SMALL_SEGMENT, or one in LATER_SHARE of the
first, but later ones hold MOST_LATER at most, as their vectors are compared one by one."""
MERGED = 8
"""A new segment takes up later ones of less than this many times its size: few are left, and a chunk is seldom rewritten."""


@dataclass(frozen=True)
class Content:
    """All chunks of the store.

    Attributes:
        owners: chunk id → document id.
        digest: fingerprint of the chunk ids, which does not depend on their order.
    """

    owners: dict[str, str]
    digest: str


@dataclass(frozen=True)
class Plan:
    """What an update writes: one segment, which takes the place of some that are published.

    Attributes:
        keep: published segments that stay, with what they drop from now on.
        replaced: published segments whose live documents go into the new one.
        dropped: for each of ``replaced``, the chunks that do not go there.
        documents: ids of the documents that are read from the store into the new segment.
        removed: chunks that leave the index.
        keep_graph: whether the graph of vectors may be a changed copy of the first replaced one.
    """

    keep: list[Segment]
    replaced: list[Segment]
    dropped: list[set[str]]
    documents: list[str]
    removed: int
    keep_graph: bool = True


def read_content(store: Store) -> Content:
    """Return what the store holds now."""
    chunks = ChunkRow.__table__.c
    with store.session() as session:
        # Without the ORM, which takes longer than the rest of a small update.
        rows = session.connection().execute(select(chunks.chunk_id, chunks.document_id)).tuples().all()
    owners = dict(rows)
    return Content(owners, sha256(np.sort(np.array(list(owners), np.bytes_)).tobytes()).hexdigest())


def make_plan(content: Content, segments: Sequence[tuple[Segment, LexicalIndex]], *, fresh: bool = False) -> Plan | None:
    """Compare the store with the published segments; None when they are the same.

    Documents go into the index whole: one of which a chunk is new is read again. As long as few documents have changed,
    the first segment stays as it is and a small one is written, which takes up others that are not much larger:

        chunks    100,000  40  3   + 1    →    100,000  40  4
        chunks    100,000  40  7   + 1    →    100,000  48

    Args:
        content: what the store holds.
        segments: the published ones, the first one being the large one.
        fresh: write everything into one new segment.
    """
    live = [set(lexical.chunk_ids.tolist()).difference(segment.dropped) for segment, lexical in segments]
    gone = [chunks - content.owners.keys() for chunks in live]
    changed = {content.owners[chunk_id] for chunk_id in content.owners.keys() - set().union(*live)}
    for (_, lexical), lost in zip(segments, gone, strict=True):
        changed |= _owners(lexical, lost)
    if not fresh and not changed:
        return None
    moved = {chunk_id for chunk_id, document in content.owners.items() if document in changed}
    out = [lost | (chunks & moved) for lost, chunks in zip(gone, live, strict=True)]
    dropped = [{*segment.dropped, *left} for (segment, _), left in zip(segments, out, strict=True)]
    published = [segment for segment, _ in segments]
    sizes = [len(chunks) - len(left) for chunks, left in zip(live, out, strict=True)]
    documents, removed = sorted(set(content.owners.values()) & changed), sum(map(len, gone))
    if fresh or not published or _is_much(published[0], len(moved), sizes, len(dropped[0])):
        return Plan([], published, dropped, documents, removed, keep_graph=not fresh)
    keep, taken, size = {0}, set[int](), len(moved)
    for number in sorted(range(1, len(published)), key=lambda number: sizes[number]):
        # What is too large to be taken up stays, and so do all larger ones.
        if sizes[number] < MERGED * size or not sizes[number]:
            taken.add(number)
            size += sizes[number]
        else:
            keep.add(number)
    kept = [replace(published[number], dropped=tuple(sorted(dropped[number]))) for number in sorted(keep)]
    order = sorted(taken)
    return Plan(kept, [published[n] for n in order], [dropped[n] for n in order], documents, removed)


def read_chunks(store: Store, documents: Sequence[str]) -> Iterator[IndexedChunk]:
    """Yield the chunks of documents, given in ascending order, in the order in which the lexical index wants them."""
    for part in batched(documents):
        query = (
            select(ChunkRow, DocumentRow.title)
            .join(DocumentRow, DocumentRow.document_id == ChunkRow.document_id)
            .where(ChunkRow.document_id.in_(part))
            .order_by(ChunkRow.document_id, ChunkRow.ordinal)
        )
        with store.session() as session:
            rows = session.execute(query).all()
        for row, title in rows:
            context = context_of(title, row.heading)
            yield IndexedChunk(row.chunk_id, row.document_id, row.start, row.end, context, row.text)


def count_chunks(store: Store, documents: Sequence[str]) -> int:
    """Return the number of chunks of documents."""
    total = 0
    with store.session() as session:
        for part in batched(documents):
            query = select(func.count()).select_from(ChunkRow).where(ChunkRow.document_id.in_(part))
            total += session.scalar(query) or 0
    return total


def _is_much(first: Segment, moved: int, sizes: Sequence[int], dropped: int) -> bool:
    limit = max(SMALL_SEGMENT, first.chunks // LATER_SHARE)
    return moved + sum(sizes[1:]) > min(limit, MOST_LATER) or dropped > limit


def _owners(lexical: LexicalIndex, chunk_ids: set[str]) -> set[str]:
    """Return the documents of chunks."""
    if not chunk_ids:
        return set()
    rows = np.flatnonzero(np.isin(lexical.chunk_ids, list(chunk_ids)))
    return set(lexical.documents[lexical.chunk_document[rows]].tolist())
