"""What the index knows of whole documents beside their words: revisions, abbreviations and other names that they explain.

Learnt when a document is indexed and kept as one file in its segment, so that it comes, changes and goes with the document.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from doyen.core.batches import batched
from doyen.core.errors import StateError
from doyen.core.store import Store
from doyen.core.store.schema import ChunkRow, DocumentRow
from doyen.ingestion.abbreviations import find_abbreviations
from doyen.ingestion.other_names import find_other_names
from doyen.ingestion.revisions import OPENING, Revision, find_revision
from doyen.retrieval.lexical import IndexedChunk, LexicalIndex

FILE = "documents.json"


@dataclass(frozen=True)
class DocumentFacts:
    """What is known of a document.

    Attributes:
        revision: read from its name and its first lines.
        abbreviations: short form → long form, as the document explains them.
        other_names: other name → name, as the document gives them.
    """

    revision: Revision
    abbreviations: Mapping[str, str] = field(default_factory=dict)
    other_names: Mapping[str, str] = field(default_factory=dict)


Facts = dict[str, DocumentFacts]
"""By document id."""


class FactsCollector:
    """Reads facts from the chunks of documents as they are indexed."""

    def __init__(self) -> None:
        self._openings: dict[str, str] = {}
        self._abbreviations: dict[str, dict[str, str]] = {}
        self._other_names: dict[str, dict[str, str]] = {}

    def add(self, chunk: IndexedChunk) -> None:
        """Take in the next chunk; those of a document come in order."""
        opening = self._openings.get(chunk.document_id, "")
        if len(opening) < OPENING:
            self._openings[chunk.document_id] = f"{opening}\n{chunk.text}"[: OPENING + 1]
        for find, found in ((find_abbreviations, self._abbreviations), (find_other_names, self._other_names)):
            explained = found.setdefault(chunk.document_id, {})
            explained.update({form: meant for form, meant in find(chunk.text).items() if form not in explained})

    def finish(self, store: Store) -> Facts:
        """Return the facts of all documents that were added."""
        sources: dict[str, str] = {}
        with store.session() as session:
            for part in batched(sorted(self._openings)):
                query = select(DocumentRow.document_id, DocumentRow.source).where(DocumentRow.document_id.in_(part))
                sources |= dict(session.execute(query).tuples().all())
        return {
            document: DocumentFacts(
                find_revision(sources[document], opening), self._abbreviations[document], self._other_names[document]
            )
            for document, opening in self._openings.items()
            if document in sources
        }


def facts_of_duplicate(session: Session, known: DocumentFacts, original: str, source: str) -> DocumentFacts:
    """Return the facts of an exact duplicate: its text is the original's, its name another one."""
    texts = session.scalars(select(ChunkRow.text).where(ChunkRow.document_id == original).order_by(ChunkRow.ordinal))
    opening = ""
    for text in texts:
        if len(opening) < OPENING:
            opening = f"{opening}\n{text}"[: OPENING + 1]
    return replace(known, revision=find_revision(source, opening))


def live_facts(facts: Facts, lexical: LexicalIndex, dropped: Collection[str]) -> Facts:
    """Return the facts of a segment's live documents.

    Args:
        lexical: the segment's words.
        dropped: ids of its chunks that are not to be seen.
    """
    keep = ~np.isin(lexical.chunk_ids, list(dropped)) if dropped else np.ones(lexical.n_chunks, np.bool_)
    live = lexical.documents[np.unique(lexical.chunk_document[keep])].tolist()
    return {document: facts[document] for document in live if document in facts}


def save_facts(folder: Path, facts: Facts) -> None:
    """Write the facts into an existing folder."""
    rows = {document: _row(each) for document, each in sorted(facts.items())}
    (folder / FILE).write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")


def _row(facts: DocumentFacts) -> list[Any]:
    revision = facts.revision
    return [revision.stem, revision.label, revision.rank, revision.dated, dict(facts.abbreviations), dict(facts.other_names)]


def load_facts(folder: Path) -> Facts:
    """Read what ``save_facts`` wrote; what was written before other names were learnt has none.

    Raises:
        OSError: the file is missing.
        StateError: it is damaged.
    """
    path = folder / FILE
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {
            document: DocumentFacts(Revision(stem, label, tuple(rank), dated), *explained)
            for document, (stem, label, rank, dated, *explained) in rows.items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise StateError(f"{path} is damaged: {error}") from error
