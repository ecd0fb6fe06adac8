"""Finding the documents and passages that a pair's evidence quotes come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from doyen.core.answers import Passage
from doyen.core.evidence import Evidence
from doyen.core.records import Pair
from doyen.core.store import Store
from doyen.core.store.schema import ChunkRow, DocumentRow, DocumentVersionRow

PART = 0.5
"""Share of a quote from which the chunk that holds most of it stands for it."""


@dataclass(frozen=True)
class SourceDocument:
    """What datasets need to know of a document.

    Attributes:
        document_id: its id; that of the indexed twin where the document is an exact duplicate.
        version: hash of its bytes.
        near_group: its near-duplicate group.
        text: the parsed text.
    """

    document_id: str
    version: str
    near_group: str
    text: str


def load_sources(store: Store, sources: Iterable[str]) -> dict[str, SourceDocument]:
    """Return the current documents of the named sources; unknown ones are left out."""
    wanted = sorted(set(sources))
    found: dict[str, SourceDocument] = {}
    with store.session() as session:
        for source in wanted:
            row = session.scalar(select(DocumentRow).where(DocumentRow.source == source))
            version = session.get(DocumentVersionRow, (row.document_id, row.version)) if row else None
            if row and version:
                document_id = row.duplicate_of or row.document_id
                found[source] = SourceDocument(document_id, row.version, row.near_group, version.text)
    return found


def evidence_problem(pair: Pair, documents: dict[str, SourceDocument]) -> str | None:
    """Return what is wrong with a pair's source or quotes, or None."""
    if pair.source is None:
        return "it quotes evidence but names no source" if pair.evidence else None
    document = documents.get(pair.source)
    if document is None:
        return f"its source {pair.source!r} is not among the ingested documents"
    missing = [quote for quote in pair.evidence if not Evidence(quote).verbatim_in(document.text)]
    return f"{pair.source} does not hold the quote {missing[0]!r}" if missing else None


def holds_evidence(pair: Pair, text: str) -> bool:
    """Whether a passage's text lets one answer the pair: it holds one of the quotes, or without quotes the response."""
    if not pair.answerable:
        return False
    return any(Evidence(quote).verbatim_in(text) for quote in pair.evidence or [pair.response])


class ChunkFinder:
    """Looks up the stored chunk behind a pair's evidence, for pairs whose gold passage retrieval misses."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._chunks: dict[str, Sequence[ChunkRow]] = {}

    def gold(self, pair: Pair, document: SourceDocument | None) -> Passage | None:
        """Return the chunk of the pair's document that holds the first quote, whole or for the most part."""
        if document is None or pair.source is None or not pair.answerable:
            return None
        chunks = self._of(document.document_id)
        for chunk in chunks:
            if holds_evidence(pair, chunk.text):
                return _passage(chunk, pair.source)
        # A quote can run over a chunk's end: the chunk that holds most of it stands for it.
        wanted = Evidence((pair.evidence or [pair.response])[0])
        best = max(chunks, key=lambda chunk: wanted.share_held(chunk.text), default=None)
        return _passage(best, pair.source) if best is not None and wanted.share_held(best.text) >= PART else None

    def _of(self, document_id: str) -> Sequence[ChunkRow]:
        if document_id not in self._chunks:
            query = select(ChunkRow).where(ChunkRow.document_id == document_id).order_by(ChunkRow.ordinal)
            with self._store.session() as session:
                self._chunks[document_id] = session.scalars(query).all()
        return self._chunks[document_id]


def _passage(chunk: ChunkRow, source: str) -> Passage:
    return Passage(
        chunk_id=chunk.chunk_id,
        document_id=chunk.document_id,
        version=chunk.version,
        source=source,
        start=chunk.start,
        end=chunk.end,
        page=chunk.page,
        heading=chunk.heading,
        score=0.0,
        text=chunk.text,
        signals={},
    )
