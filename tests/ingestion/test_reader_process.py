"""Files are parsed in a child process: what a file takes, or breaks, stays there, and the next one is read."""

import contextlib
import io
import subprocess
import sys
import threading
import time
import zipfile

import docx
import pytest

from doyen.core.errors import UnreadableDocument
from doyen.core.workspace import Workspace
from doyen.ingestion.ingest import ingest, ingest_bytes
from doyen.ingestion.readers import read_document
from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.readers.process import ReaderProcess

LIMITS = Limits(10_000_000, 40_000_000, 100)
GOOD = "The pump runs at 2.4 bar and is serviced every 26 weeks by a technician."


@pytest.fixture(scope="module")
def reader():
    process = ReaderProcess()
    yield process
    process.close()


def edited_docx(change) -> bytes:
    """A small Word document with a table, its body's XML changed."""
    document, source, target = docx.Document(), io.BytesIO(), io.BytesIO()
    document.add_paragraph(GOOD)
    document.add_table(1, 2).cell(0, 0).text = "cell"
    document.save(source)
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            data = old.read(entry)
            new.writestr(entry, change(data) if entry.filename == "word/document.xml" else data)
    return target.getvalue()


def wide_docx(span: int) -> bytes:
    return edited_docx(lambda data: data.replace(b"<w:tcPr>", b'<w:tcPr><w:gridSpan w:val="%d"/>' % span, 1))


def entity_docx() -> bytes:
    """Entities that would expand to 10^9 letters."""
    entities = b'<!ENTITY a "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY %c "%s">' % (letter, b"&%c;" % (letter - 1) * 10) for letter in range(ord("b"), ord("j"))
    )

    def change(data: bytes) -> bytes:
        head, rest = data.split(b"?>", 1)
        return head + b"?><!DOCTYPE x [" + entities + b"]>" + rest.replace(b"The pump", b"&i;The pump", 1)

    return edited_docx(change)


def nested_docx(depth: int) -> bytes:
    cell = b"<w:tbl><w:tr><w:tc><w:p/>" * depth + b"</w:tc></w:tr></w:tbl>" * depth
    return edited_docx(lambda data: data.replace(b"<w:sectPr", cell + b"<w:sectPr", 1))


def rowspans() -> bytes:
    row = b"<tr>" + b"<td rowspan=65534>" + b"x" * 1000 + b"</td>"
    return b"<body><p>Text</p><table>" + row * 2 + b"<td rowspan=65534 colspan=1000>wide" * 1000 + b"<tr>" * 300_000


BOMBS = {
    "wide.docx": wide_docx(2**31 - 1),
    "entity.docx": entity_docx(),
    "nested.docx": nested_docx(200),
    "spans.html": rowspans(),
    "deep.html": b"<body><p>Text" + b"<b><table><tr><td>" * 50_000,
    "quotes.md": b"> " * 50_000 + b"x",
    "brackets.md": b"[" * 200_000,
    "tags.md": b"x <a " * 50_000,
    "open.html": b"<body><p>Text</p>" + b"<a " * 200_000,
    "style.html": b"<body><style>" + b"/* {" * 100_000 + b"</style><p>Text</p>",
    "lists.md": b"* " * 20_000 + b"x",
    "cells.csv": b"," * 9_000_000,
    "deep.jsonl": b"[" * 200_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_cheap_and_the_next_file_is_read(reader, name):
    limits = Limits(10_000_000, 40_000_000, 100, max_seconds=2)
    began = time.monotonic()
    with contextlib.suppress(UnreadableDocument):
        assert len(reader.read(BOMBS[name], name, limits).text) < 50_000_000
    assert time.monotonic() - began < 120
    assert reader.read(GOOD.encode(), "good.txt", LIMITS).text == GOOD


def test_a_huge_span_in_a_small_file_is_read_like_any_other():
    assert read_document(wide_docx(2**31 - 1), "a.docx", LIMITS).text == f"{GOOD}\n\ncell"


def test_the_child_gives_what_the_reader_gives(reader):
    data = "# T\n\n- a\n- b\n\n\ud800 größe".encode("utf-8", "surrogatepass")
    assert reader.read(data, "a.md", LIMITS) == read_document(data, "a.md", LIMITS)


def test_too_long_and_too_much_memory_are_told(reader):
    text = (GOOD + "\n\n").encode() * 100_000
    with pytest.raises(UnreadableDocument, match=r"takes more than 0 s .*max_read_s"):
        reader.read(text, "a.txt", Limits(10**8, 10**9, 100, max_seconds=0.05 - len(text) / 100_000))
    with pytest.raises(UnreadableDocument, match="memory"):
        reader.read(text, "a.txt", Limits(10**8, 10**9, 100, max_memory_bytes=-20 * len(text) + 50_000_000))
    assert reader.read(GOOD.encode(), "good.txt", LIMITS).text == GOOD


def test_a_crashed_child_fails_one_file_and_is_replaced(reader):
    reader.start()
    threading.Timer(0.2, reader._child.kill).start()
    with pytest.raises(UnreadableDocument, match=r"crashed on it.*SIGKILL"):
        reader.read((GOOD + "\n\n").encode() * 130_000, "a.txt", LIMITS)
    assert reader.read(GOOD.encode(), "good.txt", LIMITS).text == GOOD


def test_the_child_is_started_once_and_has_no_secrets(reader, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    reader.close()
    reader.read(GOOD.encode(), "a.txt", LIMITS)
    child = reader._child
    reader.read(GOOD.encode(), "b.txt", LIMITS)
    assert reader._child is child
    with open(f"/proc/{child.pid}/environ", "rb") as stream:
        assert b"sk-secret" not in stream.read()


def test_a_large_parent_does_not_cost_the_child_its_place(tmp_path):
    """The child's memory is measured without that of the process that started it, which a server with a model makes large."""
    code = (
        "from doyen.ingestion.readers.limits import Limits\n"
        "from doyen.ingestion.readers.process import LARGEST_IDLE_KB, shared_reader\n"
        "ballast = bytearray(LARGEST_IDLE_KB * 2048)\n"
        "ballast[::4096] = b'x' * len(ballast[::4096])\n"
        "reader = shared_reader()\n"
        "seen = []\n"
        "for name in ('a.txt', 'b.txt'):\n"
        "    reader.read(b'A short text.', name, Limits(10_000_000, 40_000_000, 100))\n"
        "    seen.append(reader._child and reader._child.pid)\n"
        "reader.close()\n"
        "print(seen[0] is not None and seen[0] == seen[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "True", done.stderr


def test_threads_read_at_once(reader):
    texts: list[str] = []
    files = [f"{GOOD} {number}".encode() for number in range(8)]
    threads = [threading.Thread(target=lambda d=data: texts.append(reader.read(d, "a.txt", LIMITS).text)) for data in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(texts) == sorted(data.decode() for data in files)


def test_a_bomb_does_not_stop_the_rest_of_a_folder_or_an_upload(workspace, store, tmp_path):
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "bomb.csv").write_bytes(BOMBS["cells.csv"])
    (folder / "good.txt").write_text(GOOD)
    report = ingest(workspace, store, [folder])
    assert report.added == ["good.txt"]
    assert [source for source, _ in report.failed] == ["bomb.csv"]
    assert "more than 5,000,000 cells" in report.failed[0][1]
    with pytest.raises(UnreadableDocument, match="nested too deep"):
        ingest_bytes(workspace, store, "upload.jsonl", BOMBS["deep.jsonl"])


def test_pages_without_text_are_reported(workspace, store, monkeypatch):
    from tests.ingestion.test_shown_pdf import CASES

    monkeypatch.setenv("DOYEN_INGESTION__OCR", "off")
    report = ingest(Workspace(workspace.root), store, [CASES / "mixed_scan.pdf"])
    assert report.without_text == [("mixed_scan.pdf", [2, 3])]
