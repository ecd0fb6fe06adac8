"""Real documents: all go in, nothing of them is lost, answers and quotes lie whole in chunks."""

import json
from pathlib import Path

import pypdfium2
import pytest
from sqlalchemy import select
from support.required import require_data

from doyen.core.store.schema import ChunkRow, DocumentRow, DocumentVersionRow
from doyen.ingestion.check import check_offsets
from doyen.ingestion.ingest import ingest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "quillane"


def single(text: str) -> str:
    return " ".join(text.split())


def texts_and_chunks(store) -> tuple[dict[str, str], dict[str, list[str]]]:
    with store.session() as session:
        query = select(DocumentRow.source, DocumentVersionRow.text).join(
            DocumentVersionRow,
            (DocumentVersionRow.document_id == DocumentRow.document_id) & (DocumentVersionRow.version == DocumentRow.version),
        )
        texts = {source: single(text) for source, text in session.execute(query)}
        chunks: dict[str, list[str]] = {}
        for source, text in session.execute(
            select(DocumentRow.source, ChunkRow.text).join(ChunkRow, ChunkRow.document_id == DocumentRow.document_id)
        ):
            chunks.setdefault(source, []).append(single(text))
    return texts, chunks


def test_every_quote_of_the_example_lies_whole_in_one_chunk(workspace, store):
    report = ingest(workspace, store, [EXAMPLE / "documents"])
    assert report.failed == []
    assert report.n_documents == sum(path.is_file() for path in (EXAMPLE / "documents").rglob("*"))
    assert check_offsets(store) == []
    texts, chunks = texts_and_chunks(store)
    rows = [json.loads(line) for name in ("pairs", "questions") for line in (EXAMPLE / f"{name}.jsonl").open(encoding="utf-8")]
    quotes = [(row["source"], single(quote)) for row in rows for quote in row.get("evidence", [])]
    assert len(quotes) > 300
    lost = [quote for quote in quotes if quote[1] not in texts[quote[0]]]
    assert lost == []
    parted = [quote for quote in quotes if not any(quote[1] in chunk for chunk in chunks[quote[0]])]
    assert len(parted) <= 0.01 * len(quotes), parted


@pytest.mark.data
def test_every_answer_of_covidqa_is_in_the_text_and_most_lie_whole_in_one_chunk(workspace, store):
    data = require_data("covidqa")
    report = ingest(workspace, store, [data / "documents"])
    assert (len(report.added), report.failed, report.n_documents) == (98, [], 98)
    assert check_offsets(store) == []
    texts, chunks = texts_and_chunks(store)
    questions = [json.loads(line) for line in (data / "qa.jsonl").open(encoding="utf-8")]
    answers = [(f"{question['document_id']}.txt", single(question["answer"])) for question in questions]
    assert all(answer in texts[source] for source, answer in answers)
    whole = sum(any(answer in chunk for chunk in chunks[source]) for source, answer in answers)
    assert whole >= 0.97 * len(answers)


@pytest.mark.data
def test_the_filings_go_in_with_their_words_and_pages(workspace, store):
    data = require_data("filings")
    report = ingest(workspace, store, [data])
    assert (len(report.added), report.failed) == (4, [])
    assert check_offsets(store) == []
    texts, _ = texts_and_chunks(store)
    for path in data.glob("*.pdf"):
        with pypdfium2.PdfDocument(path) as document:
            raw = " ".join(page.get_textpage().get_text_range() for page in document).split()
        kept = set(texts[path.name].split())
        missing = {word for word in raw if word.isalnum() and len(word) > 3} - kept
        assert len(missing) <= 0.01 * len(set(raw)), sorted(missing)[:30]
    with store.session() as session:
        pages = session.scalars(select(ChunkRow.page).join(DocumentRow).where(DocumentRow.source.startswith("3M"))).all()
    assert len(set(pages)) >= 150
