"""Retrieval over the indexed company."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import select

from doyen.core.store import Store
from doyen.core.store.schema import DocumentRow, DocumentVersionRow
from doyen.core.workspace import Workspace
from doyen.retrieval.hybrid import HybridRetriever

pytestmark = pytest.mark.model

QUESTIONS = [
    ("How often do I swap the filter on the pump?", "pump.md", "every 14 months"),
    ("ab1234", "pump.md", "AB-1234"),
    ("What does alarm E18 mean?", "alarms.csv", "Motor too hot"),
    ("how much money for food when travelling", "travel.md", "31 euro"),
    ("vacation days per year", "holiday.txt", "27 days"),
    ("Which reader do I need to log in with my badge?", "release.html", "RX-5"),
]


@pytest.mark.parametrize(("question", "source", "text"), QUESTIONS)
def test_the_right_passage_comes_first(retriever: HybridRetriever, question: str, source: str, text: str) -> None:
    first = retriever.retrieve(question, 3)[0]
    assert first.source.endswith(source)
    assert text in first.text


def test_passages_are_exact_stretches_of_their_document(company: tuple[Workspace, Store], retriever: HybridRetriever) -> None:
    _, store = company
    with store.session() as session:
        texts = {(row.document_id, row.version): row.text for row in session.scalars(select(DocumentVersionRow))}
    for question, _, _ in QUESTIONS:
        passages = retriever.retrieve(question, 5)
        assert [p.score for p in passages] == sorted((p.score for p in passages), reverse=True)
        for number, passage in enumerate(passages):
            assert texts[passage.document_id, passage.version][passage.start : passage.end] == passage.text
            assert set(passage.signals) == {"dense", "dense_rank", "lexical", "lexical_rank", "lexical_share"}
            for other in passages[:number]:
                apart = other.end <= passage.start or passage.end <= other.start
                assert apart or other.document_id != passage.document_id


def test_signals_tell_a_known_from_an_unknown_subject(retriever: HybridRetriever) -> None:
    known = retriever.retrieve("How often is the inlet filter replaced?", 1)[0].signals
    unknown = retriever.retrieve("Who won the chess championship in 1972?", 1)[0].signals
    assert known["dense"] > unknown["dense"] + 0.2
    assert known["lexical_share"] > unknown["lexical_share"] + 0.2
    assert -1 <= unknown["dense"] <= 1


def test_documents_can_be_left_out(company: tuple[Workspace, Store], retriever: HybridRetriever) -> None:
    _, store = company
    with store.session() as session:
        pump = session.scalar(select(DocumentRow.document_id).where(DocumentRow.source.endswith("pump.md")))
        every = list(session.scalars(select(DocumentRow.document_id)))
    assert pump is not None
    passages = retriever.retrieve("How often is the pump's filter AB-1234 replaced?", 5, exclude_documents=[pump])
    assert passages
    assert pump not in {p.document_id for p in passages}
    assert retriever.retrieve("filter", 5, exclude_documents=every) == []
    assert retriever.retrieve("filter AB-1234", 1, exclude_documents=["no such document"])[0].document_id == pump


def test_strange_queries(retriever: HybridRetriever) -> None:
    assert retriever.retrieve("   ", 5) == []
    assert retriever.retrieve("filter", 0) == []
    assert retriever.retrieve("?!", 2)
    assert retriever.retrieve("the of and", 2)
    assert len(retriever.retrieve("filter", 50)) >= 5
    began = time.perf_counter()
    assert retriever.retrieve("filter replaced valve " * 5000, 3)
    assert retriever.retrieve(" ".join(f"word{number}" for number in range(20_000)), 3)
    assert time.perf_counter() - began < 10
