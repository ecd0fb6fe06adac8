"""One evaluation with nothing replaced: documents, index, model, embedder."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from support.evaluation_world import DOCUMENTS, make_questions

from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.eval.answer_log import AnswerRecord
from doyen.eval.metrics import citation_recall, key_facts
from doyen.eval.questions import resolve_duplicates
from doyen.eval.run import run_evaluation
from doyen.platform.documents import ingest_documents
from doyen.platform.serving.assistant import open_assistant
from doyen.retrieval.chosen import open_retriever
from doyen.retrieval.embedder import open_embedder


@pytest.mark.model
def test_the_real_assistant_is_evaluated(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    for name, chunks in DOCUMENTS.items():
        (documents / name).write_text("\n\n".join(chunks), encoding="utf-8")
    ingest_documents(workspace, store, [documents])
    with (workspace.root / "doyen.toml").open("a", encoding="utf-8") as stream:
        stream.write("\n[serving]\nmax_tokens = 16\n")
    chosen = [question for question in make_questions() if question.id in {"q1", "q4", "q5"}]
    questions = resolve_duplicates(chosen, store)
    with closing(open_assistant(workspace, store)) as assistant:
        report = run_evaluation(
            assistant,
            open_retriever(workspace, store),
            questions,
            modes=["base", "rag"],
            out=tmp_path / "out",
            settings=workspace.settings,
            manifest_inputs={"index": "real"},
            embed=open_embedder(workspace.settings.retrieval).encode,
        )
    assert report.data["questions"]["n"] == 3
    assert report.data["retrieval"]["recall@5"] == 1
    assert report.metric("rag", "context_recall")["mean"] == 1
    assert 0 < report.metric("rag", "semantic_similarity")["mean"] <= 1
    assert report.data["modes"]["rag"]["latency_s"]["p50"] > 0
    assert report.data["modes"]["rag"]["usage"]["prompt_tokens"] > report.data["modes"]["base"]["usage"]["prompt_tokens"] > 0
    lines = [json.loads(line) for line in (tmp_path / "out" / "answers.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["mode"] for line in lines] == ["base"] * 3 + ["rag"] * 3
    by_id = {question.id: question for question in questions}
    records = [AnswerRecord.from_json(line) for line in lines[3:]]
    right = [record for record in records if key_facts(by_id[record.id], record) == 1]
    assert right, [record.answer for record in records]
    assert any(citation_recall(by_id[record.id], record) == 1 for record in right), right[0].citations
    for line in lines[3:]:
        assert line["passages"]
        texts = {passage["chunk_id"]: passage for passage in line["passages"]}
        for citation in line["citations"]:
            passage = texts[citation["chunk_id"]]
            start = citation["start"] - passage["start"]
            assert passage["text"][start : start + len(citation["quote"])] == citation["quote"]
