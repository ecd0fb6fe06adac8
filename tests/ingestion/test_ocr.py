"""Text recognition with the real Tesseract: pictured pages are read, page by page; what cannot be read is reported."""

import io
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from doyen.core.errors import UnreadableDocument
from doyen.core.store.schema import DocumentRow, DocumentVersionRow
from doyen.core.workspace import Workspace
from doyen.ingestion.document import ParsedDocument
from doyen.ingestion.ingest import ingest
from doyen.ingestion.readers import read_document, tesseract
from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.readers.process import ReaderProcess
from doyen.ingestion.word_boxes import boxes_of_span, unpack
from doyen.platform.cli.ingest_command import describe
from tests.support.scans import require_tesseract, scanned, written

CASES = Path(__file__).parent / "cases"
LIMITS = Limits(10_000_000, 40_000_000, 100, max_seconds=120, ocr_languages="eng")
LINES = [(60.0, 700.0, "The relief valve of the boiler opens at 7.5 bar."), (60.0, 680.0, "It is tested every 26 weeks.")]
PAGE = written(LINES)


def read(data: bytes, limits: Limits = LIMITS) -> ParsedDocument:
    return read_document(data, "a.pdf", limits)


@pytest.fixture
def without_tesseract(monkeypatch, tmp_path):
    """A machine on which Tesseract is not installed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    tesseract.installed_version.cache_clear()
    yield
    tesseract.installed_version.cache_clear()


def test_pictured_pages_are_read_and_their_confidence_is_known():
    require_tesseract()
    document = read((CASES / "mixed_scan.pdf").read_bytes())
    assert "the relief valve opens at 7.5 bar" in document.text.split("Annex A.", 1)[1]
    assert [page for page, _ in document.recognised] == [2, 3]
    assert all(0.3 < confidence < 1 for _, confidence in document.recognised)
    assert (document.unrecognised, document.pages_without_text) == ((), ())


@pytest.mark.parametrize("rotation", [0, 90])
def test_the_words_of_a_scan_have_boxes(rotation):
    require_tesseract()
    document = read(scanned(PAGE, rotation=rotation))
    assert document.text == "The relief valve of the boiler opens at 7.5 bar. It is tested every 26 weeks."
    assert document.recognised[0][1] > 0.85
    start = document.text.index("7.5")
    (box,) = boxes_of_span(unpack(document.boxes), start, start + 3)[1]
    # The line stands at a height of 700 of 842 points; on a rotated page the coordinates are those before it is turned.
    left, bottom = (box.left, box.bottom) if rotation == 0 else (box.bottom, 842 - box.right)
    assert abs(left - 260) < 6
    assert abs(bottom - 700) < 6


def test_a_scanned_table_has_its_headings_in_each_row():
    require_tesseract()
    rows = [("Part", "Torque", "Tool"), ("Bolt A", "12 Nm", "Spanner"), ("Bolt B", "14 Nm", "Spanner"), ("Nut", "9 Nm", "Key")]
    cells = [(60.0 + 150 * x, 700.0 - 24 * y, text) for y, row in enumerate(rows) for x, text in enumerate(row)]
    text = read(scanned(written(cells))).text
    assert "Part: Bolt B | Torque: 14 Nm | Tool: Spanner" in text


def test_a_text_layer_is_taken_as_it_is_and_a_stamp_on_a_scan_is_none():
    require_tesseract()
    assert read(PAGE).recognised == ()
    stamped = read(scanned(PAGE, stamp="ACME 000417"))
    assert [page for page, _ in stamped.recognised] == [1]
    assert "every 26 weeks" in stamped.text
    assert "000417" in stamped.text


def test_empty_pages_and_photographs_give_no_text():
    require_tesseract()
    noise = Image.fromarray(np.random.default_rng(5).integers(0, 256, (400, 400), dtype=np.uint8))  # eight lines are seen in it
    target = io.BytesIO()
    canvas = Canvas(target)
    canvas.drawString(60, 700, "Only this page has text, the others have none of it at all.")
    canvas.showPage()
    canvas.showPage()
    canvas.drawInlineImage(noise, 0, 0, 595, 842)
    canvas.showPage()
    canvas.save()
    document = read(target.getvalue())
    assert document.text == "Only this page has text, the others have none of it at all."
    assert document.pages_without_text == (2, 3)
    assert (document.recognised, document.unrecognised) == (((3, 0.0),), ()) or document.recognised[0][1] < 0.3


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (replace(LIMITS, ocr_languages=""), "switched off"),
        (replace(LIMITS, ocr_languages="eng+xyz"), "apt-get install tesseract-ocr-xyz"),
        (replace(LIMITS, max_ocr_seconds=1e-3), "more than|raise ingestion.max_ocr_s"),
    ],
    ids=["off", "language", "time"],
)
def test_what_is_not_recognised_is_reported_with_the_remedy(limits, reason):
    require_tesseract()
    mixed = read((CASES / "mixed_scan.pdf").read_bytes(), limits)
    assert (mixed.unrecognised, mixed.recognised) == ((2, 3), ())
    with pytest.raises(UnreadableDocument, match=reason):
        read(scanned(PAGE), limits)


def test_without_tesseract_pages_are_reported_with_the_remedy(without_tesseract):
    document = read((CASES / "mixed_scan.pdf").read_bytes())
    assert document.unrecognised == (2, 3)
    assert document.ocr_problem == "Tesseract is not installed: `apt-get install tesseract-ocr`, then ingest again"
    with pytest.raises(UnreadableDocument, match="pictures, and Tesseract is not installed: `apt-get install tesseract-ocr`"):
        read(scanned(PAGE))


def test_recognition_happens_in_the_bounded_process_and_ends_with_it(monkeypatch, tmp_path):
    slow = tmp_path / "tesseract"
    slow.write_text(
        f'#!/bin/sh\ncase "$1" in --*) echo tesseract 1; echo eng;; *) echo $$ > {tmp_path}/pid; exec sleep 600;; esac\n'
    )
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    tesseract.installed_version.cache_clear()
    reader = ReaderProcess()
    try:
        limits = replace(LIMITS, max_seconds=4, max_ocr_seconds=60, ocr_languages="eng")
        hurried = replace(limits, max_ocr_seconds=5)
        began = time.monotonic()
        with pytest.raises(UnreadableDocument, match=r"takes more than \d+ s"):
            reader.read(scanned(PAGE), "a.pdf", hurried)
        assert time.monotonic() - began < 60
        child = int((tmp_path / "pid").read_text())
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
    finally:
        reader.close()
        tesseract.installed_version.cache_clear()


def test_ingestion_records_confidence_and_reads_scans_again_once_tesseract_is_there(workspace, store, tmp_path, monkeypatch):
    require_tesseract()
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "plain.txt").write_text("Open the valve.")
    (folder / "mixed.pdf").write_bytes((CASES / "mixed_scan.pdf").read_bytes())
    monkeypatch.setenv("DOYEN_INGESTION__OCR", "off")
    report = ingest(Workspace(workspace.root), store, [folder])
    monkeypatch.delenv("DOYEN_INGESTION__OCR")
    assert report.unrecognised[0][:2] == ("mixed.pdf", [2, 3])
    assert "not recognised: mixed.pdf, page(s) 2, 3, pictures of text: text recognition is switched off" in describe(report)

    report = ingest(workspace, store, [folder])
    assert (report.updated, report.unchanged) == (["mixed.pdf"], ["plain.txt"])
    assert [page for page, _ in report.recognised[0][1]] == [2, 3]
    assert "recognised: mixed.pdf, page(s) 2 (" in describe(report)
    with store.session() as session:
        row = session.query(DocumentRow).filter_by(source="mixed.pdf").one()
        version = session.get(DocumentVersionRow, (row.document_id, row.version))
        assert [page for page, _ in version.recognised] == [2, 3]
    assert ingest(workspace, store, [folder]).unchanged == ["mixed.pdf", "plain.txt"]
