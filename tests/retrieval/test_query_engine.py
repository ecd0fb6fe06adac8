"""Doyen inside llama-index: its retriever, its answers and llama-index's rerankers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from llama_index.core.llms.mock import MockLLM
from llama_index.core.postprocessor import LongContextReorder, SimilarityPostprocessor
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from doyen import Doyen
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.finetune.registry import Registry
from doyen.platform.serving.assistant import Assistant
from doyen.platform.serving.engines import Generation
from doyen.retrieval.query_engine import to_node, to_passage

pytestmark = pytest.mark.model

QUESTION = "How often is the inlet filter of the pump replaced?"


class OneSentence:
    """An engine that says the same to everything."""

    model, base_sha256 = "fake", ""

    def stream(self, request):
        self.request = request
        yield "Every 14 months."
        yield Generation("Every 14 months.", "stop", 9, 4)


class ByWords(BaseNodePostprocessor):
    """A reranker: nodes that name the word first, scored 1 and 0."""

    word: str

    def _postprocess_nodes(self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None) -> list[NodeWithScore]:
        assert query_bundle.query_str == QUESTION
        found = [NodeWithScore(node=each.node, score=float(self.word in each.node.get_content())) for each in nodes]
        return sorted(found, key=lambda each: -each.score)


@pytest.fixture
def doyen(company: tuple[Workspace, Store]) -> Iterator[Doyen]:
    workspace, store = company
    with Doyen(workspace, store=store) as opened:
        yield opened


@pytest.fixture
def engine(doyen: Doyen) -> Iterator[OneSentence]:
    engine = OneSentence()
    doyen.__dict__["assistant"] = Assistant(
        doyen.retriever, engine, Registry(doyen.workspace, doyen.store), doyen.store, doyen.settings
    )
    yield engine
    del doyen.__dict__["assistant"]


def test_nodes_lose_nothing(doyen: Doyen) -> None:
    passages = doyen.search(QUESTION, 4).passages
    assert [to_passage(to_node(passage)) for passage in passages] == passages
    with pytest.raises(ValueError, match="chunk_id"):
        to_passage(NodeWithScore(node=TextNode(text="another's"), score=1.0))


def test_llama_indexs_own_query_engine_uses_the_retriever_and_its_rerankers(doyen: Doyen) -> None:
    passages = doyen.search(QUESTION, 3).passages
    cutoff = (passages[0].score + passages[1].score) / 2
    engine = RetrieverQueryEngine.from_args(
        doyen.as_retriever(3), llm=MockLLM(), node_postprocessors=[SimilarityPostprocessor(similarity_cutoff=cutoff)]
    )
    response = engine.query(QUESTION)
    assert [to_passage(node) for node in response.source_nodes] == passages[:1]
    prompt = str(response)
    assert passages[0].text in prompt
    assert "source: pump.md" in prompt
    assert passages[0].chunk_id not in prompt


def test_the_query_engine_answers_with_citations(doyen: Doyen, engine: OneSentence) -> None:
    query_engine = doyen.as_query_engine(k=3)
    response = query_engine.query(QUESTION)
    assert str(response) == "Every 14 months."
    assert [to_passage(node) for node in response.source_nodes] == doyen.search(QUESTION, 3).passages
    assert response.metadata["mode"] == "rag"
    assert response.metadata["support"] == "supported"
    assert "14 months" in response.metadata["citations"][0]["quote"]
    assert str(asyncio.run(query_engine.aquery(QUESTION))) == "Every 14 months."


def test_the_answer_rests_on_what_the_rerankers_leave(doyen: Doyen, engine: OneSentence) -> None:
    rerankers = [ByWords(word="Torque"), SimilarityPostprocessor(similarity_cutoff=0.5), LongContextReorder()]
    response = doyen.as_query_engine(k=8, rerankers=rerankers).query(QUESTION)
    assert response.source_nodes
    assert all("Torque" in node.node.get_content() and node.score == 1.0 for node in response.source_nodes)
    shown = engine.request.messages[-1]["content"]
    assert all(node.node.get_content() in shown for node in response.source_nodes)
    assert "Travel" not in shown


def test_without_passages_nothing_is_said(doyen: Doyen, engine: OneSentence) -> None:
    response = doyen.as_query_engine(rerankers=[SimilarityPostprocessor(similarity_cutoff=99.0)]).query(QUESTION)
    assert response.metadata["abstained"]
    assert not response.source_nodes
