"""From stretches of units to passages: the text comes from the store, and only what the store still has is given out."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from doyen.core.answers import Passage
from doyen.core.store import Store
from doyen.core.store.schema import ChunkRow, DocumentRow, DocumentVersionRow
from doyen.ingestion.document import pages_within
from doyen.retrieval.excerpt import Excerpt
from doyen.retrieval.lexical_view import LexicalView
from doyen.retrieval.windows import Chosen

# Made once: building a statement takes longer than running it.
_STRETCH = select(func.substr(DocumentVersionRow.text, bindparam("first"), bindparam("count"))).where(
    DocumentVersionRow.document_id == bindparam("document"), DocumentVersionRow.version == bindparam("version")
)


def read_passages(
    store: Store, view: LexicalView, excerpt: Excerpt, chosen: Sequence[Chosen]
) -> tuple[list[Passage], list[int]]:
    """Return the passages, and the rows of indexed chunks that the store no longer has.

    A stretch that touches such a chunk is left out.

    Args:
        store: holds the texts.
        view: the index.
        excerpt: what the stretches' units are in.
        chosen: best first.
    """
    spans = [range(int(excerpt.unit_chunk[each.first]), int(excerpt.unit_chunk[each.last - 1]) + 1) for each in chosen]
    wanted = {row: view.chunk_id(row) for span in spans for row in span}
    passages = []
    with store.session() as session:
        query = select(ChunkRow, DocumentRow.source).join(DocumentRow).where(ChunkRow.chunk_id.in_(wanted.values()))
        known = {chunk.chunk_id: (chunk, source) for chunk, source in session.execute(query)}
        for each, span in zip(chosen, spans, strict=True):
            chunks = [known[wanted[row]] for row in span if wanted[row] in known]
            if len(chunks) == len(span):
                passages.append(_passage(session, excerpt, each, [chunk for chunk, _ in chunks], chunks[0][1]))
    return passages, [row for row, chunk_id in wanted.items() if chunk_id not in known]


def overlaps(one: Passage, other: Passage) -> bool:
    """Whether two passages share characters of a document."""
    return one.document_id == other.document_id and one.start < other.end and other.start < one.end


def _passage(session: Session, excerpt: Excerpt, each: Chosen, chunks: list[ChunkRow], source: str) -> Passage:
    start, end = int(excerpt.unit_start[each.first]), int(excerpt.unit_end[each.last - 1])
    first = chunks[0]
    page, page_breaks = _pages(session, first, start, end)
    return Passage(
        chunk_id=first.chunk_id,
        document_id=first.document_id,
        version=first.version,
        source=source,
        start=start,
        end=end,
        page=page,
        heading=max(chunks, key=lambda chunk: min(end, chunk.end) - max(start, chunk.start)).heading,
        score=each.score,
        text=_text(session, first, start, end),
        signals=each.signals(excerpt),
        page_breaks=page_breaks,
    )


def _text(session: Session, chunk: ChunkRow, start: int, end: int) -> str:
    """Return a stretch of a document's text that starts in a chunk; only one that leaves it needs the whole text."""
    if end <= chunk.end:
        return chunk.text[start - chunk.start : end - chunk.start]
    place = {"document": chunk.document_id, "version": chunk.version, "first": start + 1, "count": end - start}
    return str(session.execute(_STRETCH, place).scalar_one())


def _pages(session: Session, chunk: ChunkRow, start: int, end: int) -> tuple[int | None, tuple[int, ...]]:
    """Return `pages_within` of a stretch that starts in a chunk."""
    if chunk.page is None:
        return None, ()
    version = DocumentVersionRow
    query = select(version.pages).where(version.document_id == chunk.document_id, version.version == chunk.version)
    return pages_within(session.execute(query).scalar_one(), start, end)
