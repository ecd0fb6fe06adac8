"""What the store wants indexed, and what of it an update has to do anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import func, select

from doyen.core.batches import batched
from doyen.core.store import Store
from doyen.core.store.schema import ChunkRow, DocumentRow
from doyen.retrieval.lexical import IndexedChunk, LexicalIndex
from doyen.retrieval.segments import Segment

SMALL_SEGMENT = 256
LATER_SHARE = 8
"""Chunks that later segments may hold, and the first one may have dropped: this many, or one in so many of the first."""


@dataclass(frozen=True)
class Content:
    """All chunks of the store.

    Attributes:
        owners: chunk id → document id.
        digest: fingerprint of the chunk ids.
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
        keep_graph: whether the graph of vectors may be a changed copy of the first replaced one.
    """

    keep: list[Segment]
    replaced: list[Segment]
    dropped: list[set[str]]
    documents: list[str]
    keep_graph: bool = True


def read_content(store: Store) -> Content:
    """Return what the store holds now."""
    with store.session() as session:
        rows = session.execute(select(ChunkRow.chunk_id, ChunkRow.document_id)).all()
    owners = {row.chunk_id: row.document_id for row in rows}
    digest = sha256("".join(f"{chunk_id}\n" for chunk_id in sorted(owners)).encode("utf-8"))
    return Content(owners, digest.hexdigest())


def make_plan(content: Content, segments: Sequence[tuple[Segment, LexicalIndex]], *, fresh: bool = False) -> Plan | None:
    """Compare the store with the published segments; None when they are the same.

    Documents go into the index whole: one of which a chunk is new is read again. As long as few documents have changed,
    the first segment stays as it is and one small segment is written beside it; then all are merged into a new first one.

    Args:
        content: what the store holds.
        segments: the published ones, the first one being the large one.
        fresh: write everything into one new segment.
    """
    live = [set(lexical.chunk_ids.tolist()) - set(segment.dropped) for segment, lexical in segments]
    gone = [chunks - content.owners.keys() for chunks in live]
    held = set().union(*live)
    changed = {document for chunk_id, document in content.owners.items() if chunk_id not in held}
    for (_, lexical), lost in zip(segments, gone, strict=True):
        changed |= _owners(lexical, lost) & set(content.owners.values()) if lost else set()
    if not fresh and not changed and not any(gone):
        return None
    moved = {chunk_id for chunk_id, document in content.owners.items() if document in changed}
    dropped = [
        set(segment.dropped) | lost | (chunks & moved) for (segment, _), lost, chunks in zip(segments, gone, live, strict=True)
    ]
    published = [segment for segment, _ in segments]
    if fresh or not published or _is_much(published[0], len(moved), live[1:], dropped[0]):
        return Plan([], published, dropped, sorted(changed), keep_graph=not fresh)
    first = published[0]
    kept = Segment(first.name, first.chunks, first.pieces, tuple(sorted(dropped[0])), first.files)
    return Plan([kept], published[1:], dropped[1:], sorted(changed))


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
            yield IndexedChunk(row.chunk_id, row.document_id, row.start, row.end, f"{title} {row.heading}", row.text)


def count_chunks(store: Store, documents: Sequence[str]) -> int:
    """Return the number of chunks of documents."""
    total = 0
    with store.session() as session:
        for part in batched(documents):
            query = select(func.count()).select_from(ChunkRow).where(ChunkRow.document_id.in_(part))
            total += session.scalar(query) or 0
    return total


def _is_much(first: Segment, moved: int, later: Sequence[set[str]], dropped: set[str]) -> bool:
    limit = max(SMALL_SEGMENT, first.chunks // LATER_SHARE)
    return moved + sum(map(len, later)) > limit or len(dropped) > limit


def _owners(lexical: LexicalIndex, chunk_ids: set[str]) -> set[str]:
    """Return the documents of chunks."""
    rows = [row for row, chunk_id in enumerate(lexical.chunk_ids.tolist()) if chunk_id in chunk_ids]
    return set(lexical.documents[lexical.chunk_document[rows]].tolist()) if rows else set()
