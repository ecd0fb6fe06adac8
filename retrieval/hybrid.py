"""The retriever: vectors and words together, over windows of text instead of fixed chunks."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
from sqlalchemy import select

from doyen.core.access import OWNER, Access
from doyen.core.answers import Passage
from doyen.core.store import Store
from doyen.core.store.document_access import readable
from doyen.core.store.schema import DocumentRow
from doyen.core.workspace import Workspace
from doyen.retrieval.copies import without_copies
from doyen.retrieval.excerpt import Near, cut_excerpt
from doyen.retrieval.index_manifest import read_stamp
from doyen.retrieval.lexical_view import Flags, LexicalView, Terms
from doyen.retrieval.opening import NOTHING_NEAR, OpenIndex, open_index
from doyen.retrieval.passages import overlaps, read_passages
from doyen.retrieval.readable import Readable, ReadableDocuments, show_readable
from doyen.retrieval.tokens import tokens
from doyen.retrieval.versions import Mark
from doyen.retrieval.windows import choose, score_windows

MAX_TERMS = 48
"""Rarest words of a query that are looked up: a pasted page must not take seconds."""
MAX_QUERY_CHARS = 20_000
"""What is read of a longer query."""
OTHER_VERSIONS = 5
"""Passages that are looked at beyond those that are asked for: among them may be the newest version of one of these."""
ROUNDS = 3
"""How often a search is repeated without chunks that the store has dropped since the index was published."""


class HybridRetriever:
    """Finds passages by words and by meaning. Threads may share one; it reloads when the index is updated."""

    def __init__(self, workspace: Workspace, store: Store) -> None:
        """Open the published index.

        Raises:
            IndexMissing: there is none, or it is damaged or of another embedder.
        """
        self._workspace, self._store = workspace, store
        self._lock = threading.Lock()
        self._passage_words = workspace.settings.ingestion.chunk_words
        self._by = workspace.settings.retrieval.retriever
        self._readable = ReadableDocuments(workspace, store)
        self._opened = open_index(workspace, store)

    @property
    def n_chunks(self) -> int:
        """Chunks in the index as it is now."""
        with self._current() as opened:
            return opened.lexical.n_chunks

    @property
    def problem(self) -> str | None:
        """Why passages are found by their words alone at the moment, or None."""
        return self._opened.problem

    def retrieve(self, query: str, k: int, *, exclude_documents: Sequence[str] = (), access: Access = OWNER) -> list[Passage]:
        """Return at most ``k`` passages, best first, none from ``exclude_documents`` (document ids).

        Passages, scores and signals are those that an index of the documents which ``access`` may read would give.

        Passages never overlap, hold whole sentences and at most about ``ingestion.chunk_words`` words. A blank query
        finds nothing. The newest version of a document comes before the others, unless the query names one (versions.py).
        Their ``signals``:

        - ``dense``: highest cosine of the query to a piece of the passage;
        - ``dense_rank``: place of that piece among all, from 1;
        - ``lexical``: BM25 of the passage's core; ``lexical_rank``: its place among the scored windows, from 1;
        - ``lexical_share``: share of the query's idf mass found in the core and the headings above it, 0 to 1.

        With ``retrieval.retriever`` "lexical" or "dense" the other's signals are those of passages with nothing found.

        Raises:
            IndexMissing: the index was deleted meanwhile.
        """
        query = query[:MAX_QUERY_CHARS].strip()
        with self._current() as opened:
            if not query or k < 1 or not opened.lexical.n_chunks:
                return []
            return self._search(opened, query, k, exclude_documents, access)

    def readable(self, passages: Sequence[Passage], access: Access) -> list[Passage]:
        """Return those of the passages whose documents a caller may read."""
        ids = {passage.document_id for passage in passages}
        with self._store.session() as session:
            query = select(DocumentRow.document_id).where(DocumentRow.document_id.in_(ids), readable(access))
            known = set(session.scalars(query))
        return [passage for passage in passages if passage.document_id in known]

    def newest_first(self, passages: Sequence[Passage], query: str, access: Access) -> list[Passage]:
        """Return passages that were found otherwise, marked and with the newest versions first, as ``retrieve`` gives them."""
        with self._current() as opened:
            versions = self._readable.of(opened, access).versions
            return versions.marked(versions.newest_first(passages, query), partial(self._sources, access))

    def versions_of(self, documents: Collection[str], access: Access) -> dict[str, Mark]:
        """Return which version they are of those of the documents (ids) that have another one, as far as a caller may read."""
        with self._current() as opened:
            return self._readable.of(opened, access).versions.marks(documents, partial(self._sources, access))

    def close(self) -> None:
        """Close the index; it is opened again by the next search."""
        with self._lock:
            self._opened.retire()

    def _search(self, opened: OpenIndex, query: str, k: int, exclude_documents: Sequence[str], access: Access) -> list[Passage]:
        view, known = opened.lexical, self._readable.of(opened, access)
        terms = view.look_up([], known.chunks, MAX_TERMS) if self._by == "dense" else _terms(view, known, query)
        allowed = _without(view, known.chunks, exclude_documents)
        vector = None if self._by == "lexical" else opened.embedder.encode([known.other_forms.expand(query)], kind="query")[0]

        def find(chunks: Flags, count: int) -> list[Passage]:
            near = NOTHING_NEAR if vector is None else opened.nearest(vector, chunks)
            return self._shown(self._read(view, terms, near, chunks, count), known)

        shown = without_copies(self._store, find(allowed, k + OTHER_VERSIONS))
        if wanted := known.versions.to_look_up(shown, query):
            originals = [document for document, duplicate in known.shown_as.items() if duplicate in wanted]
            there = _within(view, allowed, [*wanted, *originals])
            more = find(there, OTHER_VERSIONS * len(wanted)) if there.any() else []
            shown += [each for each in more if not any(overlaps(each, other) for other in shown)]
        ordered = known.versions.newest_first(shown, query)[:k]
        return known.versions.marked(ordered, partial(self._sources, access))

    def _read(self, view: LexicalView, terms: Terms, near: Near, allowed: Flags, count: int) -> list[Passage]:
        """Return at most ``count`` passages of the allowed chunks, best first, all of which the store still has."""
        passages: list[Passage] = []
        for _ in range(ROUNDS):
            excerpt = cut_excerpt(view, terms, near, allowed)
            chosen = choose(excerpt, score_windows(excerpt, terms), count, self._passage_words)
            passages, stale = read_passages(self._store, view, excerpt, chosen)
            if not stale:
                break
            allowed = allowed.copy()
            allowed[stale] = False
        return passages

    def _sources(self, access: Access, documents: Collection[str]) -> dict[str, str]:
        """Return the sources of those of the documents that a caller may read, by their ids."""
        if not documents:
            return {}
        query = select(DocumentRow.document_id, DocumentRow.source).where(DocumentRow.document_id.in_(documents))
        with self._store.session() as session:
            return dict(session.execute(query.where(readable(access))).tuples().all())

    def _shown(self, passages: list[Passage], known: Readable) -> list[Passage]:
        """Return passages as those of the documents that are shown in place of theirs."""
        if not known.shown_as:
            return passages
        with self._store.session() as session:
            return show_readable(session, passages, known.shown_as)

    @contextmanager
    def _current(self) -> Iterator[OpenIndex]:
        """Give the published index, opened again when its manifest has changed; it stays open while it is used."""
        with self._lock:
            if self._opened.stamp != read_stamp(self._workspace.index_folder) or not self._opened.is_open:
                self._opened = open_index(self._workspace, self._store, self._opened)
            opened = self._opened
            opened.use()
        try:
            yield opened
        finally:
            opened.release()


def _terms(view: LexicalView, known: Readable, query: str) -> Terms:
    """Return the query's terms, and with less weight those of the other forms of its abbreviations and names."""
    held = tokens(query)
    asked = view.look_up(held, known.chunks, MAX_TERMS)
    others = [token for form in known.other_forms.of(query) for token in tokens(form)]
    return asked.with_others(view.look_up([token for token in others if token not in held], known.chunks, MAX_TERMS))


def _within(view: LexicalView, chunks: Flags, documents: Sequence[str]) -> Flags:
    """Return those of the chunks that are in documents."""
    return chunks & np.isin(view.documents, np.array(documents, np.str_))[view.chunk_document]


def _without(view: LexicalView, chunks: Flags, exclude_documents: Iterable[str]) -> Flags:
    """Return which chunks may be found."""
    excluded = np.isin(view.documents, np.array(list(exclude_documents), np.str_))
    return chunks & ~excluded[view.chunk_document] if excluded.any() else chunks
