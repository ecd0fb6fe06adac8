"""Doyen as a part of llama-index: its retriever, its answers, and llama-index's rerankers between them.

    PassageRetriever ─▶ NodeWithScore … ─▶ rerankers (BaseNodePostprocessor) ─▶ AnswerEngine ─▶ Response
           │                                                                        │
    HybridRetriever                                                          Assistant.ask(passages=…)

Either end may be replaced: the retriever serves llama-index's own `RetrieverQueryEngine` with any model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.response.schema import Response
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.prompts.mixin import PromptMixinType
from llama_index.core.schema import NodeRelationship, NodeWithScore, QueryBundle, RelatedNodeInfo, TextNode

from doyen.core.access import OWNER, Access
from doyen.core.answers import Answer, Passage, Retriever

SHOWN = ("source", "page", "heading")
"""Of a passage's fields, those that llama-index's prompts show beside its text."""


class PassageRetriever(BaseRetriever):
    """Returns passages as nodes, best first."""

    def __init__(self, retriever: Retriever, k: int, access: Access = OWNER) -> None:
        """Wrap a retriever; ``k``: passages at most, ``access``: what may be found."""
        super().__init__()
        self._retriever, self._k, self._access = retriever, k, access

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = self._retriever.retrieve(query_bundle.query_str, self._k, access=self._access)
        return [to_node(passage) for passage in found]


class AnswerEngine(BaseQueryEngine):
    """Answers as the assistant does, with its citations in ``response.metadata``: the fields of `Answer.public_json`."""

    def __init__(
        self,
        retriever: PassageRetriever,
        answer: Callable[[str, list[Passage]], Answer],
        rerankers: Sequence[BaseNodePostprocessor] = (),
    ) -> None:
        """Put the parts together.

        Args:
            answer: answers a question from passages.
            rerankers: applied one after another to what was retrieved.
        """
        super().__init__(callback_manager=None)
        self._retriever, self._answer, self._rerankers = retriever, answer, rerankers

    def retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        """Return the nodes that the answer will rest on."""
        nodes = self._retriever.retrieve(query_bundle)
        for reranker in self._rerankers:
            nodes = reranker.postprocess_nodes(nodes, query_bundle=query_bundle)
        return nodes

    def _query(self, query_bundle: QueryBundle) -> Response:
        nodes = self.retrieve(query_bundle)
        answer = self._answer(query_bundle.query_str, [to_passage(node) for node in nodes])
        return Response(answer.answer, source_nodes=nodes, metadata=answer.public_json())

    async def _aquery(self, query_bundle: QueryBundle) -> Response:
        return await asyncio.to_thread(self._query, query_bundle)

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}


def to_node(passage: Passage) -> NodeWithScore:
    """Return a passage as a node; its metadata holds all fields, so that `to_passage` loses none."""
    metadata = passage.to_json()
    del metadata["text"], metadata["score"]
    hidden = [name for name in metadata if name not in SHOWN]
    node = TextNode(
        id_=f"{passage.document_id}:{passage.start}-{passage.end}",
        text=passage.text,
        start_char_idx=passage.start,
        end_char_idx=passage.end,
        metadata=metadata,
        excluded_llm_metadata_keys=hidden,
        excluded_embed_metadata_keys=hidden,
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=passage.document_id)},
    )
    return NodeWithScore(node=node, score=passage.score)


def to_passage(found: NodeWithScore) -> Passage:
    """Return the passage of a node that `to_node` made; the score may be a reranker's.

    Raises:
        ValueError: it is another's node.
    """
    return Passage.from_json({**found.node.metadata, "text": found.node.get_content(), "score": found.score or 0.0})
