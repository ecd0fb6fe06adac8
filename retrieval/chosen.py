"""The retriever and the reranker that the settings choose; other packages add theirs (docs/retrieval.md)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from doyen.core.access import OWNER, Access
from doyen.core.answers import Passage, Retriever
from doyen.core.settings import RERANKER_GROUP, RERANKERS, RETRIEVER_GROUP, RETRIEVERS
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.retrieval.hybrid import HybridRetriever
from doyen.retrieval.versions import Mark

if TYPE_CHECKING:
    from llama_index.core.postprocessor.types import BaseNodePostprocessor


@dataclass(frozen=True)
class ChosenRetriever:
    """A retriever or reranker of another package in front of the workspace's index.

    Attributes:
        index: tells what can be found at all.
        retriever: finds the passages; it may ask the index.
        reranker: orders, scores and drops them; None leaves them as they are.
        candidates: passages that are reranked at least.
    """

    index: HybridRetriever
    retriever: Retriever
    reranker: BaseNodePostprocessor | None
    candidates: int

    @property
    def n_chunks(self) -> int:
        """See `HybridRetriever.n_chunks`."""
        return self.index.n_chunks

    @property
    def problem(self) -> str | None:
        """See `HybridRetriever.problem`."""
        return self.index.problem

    def retrieve(self, query: str, k: int, *, exclude_documents: Sequence[str] = (), access: Access = OWNER) -> list[Passage]:
        """See `HybridRetriever.retrieve`; the scores are the reranker's, where there is one.

        What another package finds for a caller who may not read it is dropped, so that a fault there shows nothing, and the
        newest versions come first in its order too.
        """
        return self.index.newest_first(self._ranked(query, k, exclude_documents, access), query, access)

    def versions_of(self, documents: Collection[str], access: Access) -> dict[str, Mark]:
        """See `HybridRetriever.versions_of`."""
        return self.index.versions_of(documents, access)

    def _ranked(self, query: str, k: int, exclude_documents: Sequence[str], access: Access) -> list[Passage]:
        """Return passages in the order of the other package."""
        if self.reranker is None or k < 1:
            return self._find(query, k, exclude_documents, access)
        # Imported only here: llama-index takes long to load.
        from doyen.retrieval.query_engine import to_node

        found = self._find(query, max(k, self.candidates), exclude_documents, access)
        nodes = [to_node(passage) for passage in found]
        passages = {node.node_id: passage for node, passage in zip(nodes, found, strict=True)}
        kept = self.reranker.postprocess_nodes(nodes, query_str=query)
        # Only the order and the score are taken over: the text of a citation must stay the document's.
        return [replace(passages[node.node_id], score=node.score or 0.0) for node in kept[:k]]

    def _find(self, query: str, k: int, exclude_documents: Sequence[str], access: Access) -> list[Passage]:
        if access.unrestricted:
            return self.retriever.retrieve(query, k, exclude_documents=exclude_documents)
        found = self.retriever.retrieve(query, k, exclude_documents=exclude_documents, access=access)
        return self.index.readable(found, access)


AnyRetriever = HybridRetriever | ChosenRetriever


def open_retriever(workspace: Workspace, store: Store) -> AnyRetriever:
    """Open the published index for searching, with the retriever and the reranker that the settings choose.

    Raises:
        IndexMissing: there is no index, or it is damaged, or made with another embedder than the settings name.
    """
    settings, index = workspace.settings.retrieval, HybridRetriever(workspace, store)
    retriever: Retriever = index
    if settings.retriever not in RETRIEVERS:
        retriever = entry_points(group=RETRIEVER_GROUP)[settings.retriever].load()(workspace, store, index)
    reranker = None
    if settings.reranker not in RERANKERS:
        reranker = entry_points(group=RERANKER_GROUP)[settings.reranker].load()(workspace)
    if retriever is index and reranker is None:
        return index
    return ChosenRetriever(index, retriever, reranker, workspace.settings.serving.read_passages)
