"""Bad files: each is reported with its reason, none stops the others, nothing is half-written."""

import io
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
import zipfile
from pathlib import Path

import docx
import pypdfium2
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas
from sqlalchemy import func, select

from doyen.core.errors import InputError, UnreadableDocument
from doyen.core.store import open_store
from doyen.core.store.schema import ChunkRow, DocumentRow
from doyen.core.workspace import Workspace, create_workspace
from doyen.ingestion.check import check_offsets
from doyen.ingestion.ingest import ingest, ingest_bytes
from doyen.ingestion.readers import read_document
from doyen.ingestion.readers.limits import Limits

LIMITS = Limits(10_000_000, 40_000_000, 5)
GOOD = "The pump runs at 2.4 bar and is serviced every 26 weeks by a technician."


def pdf(pages: int = 1, **options) -> bytes:
    target = io.BytesIO()
    canvas = Canvas(target, **options)
    for number in range(pages):
        canvas.drawString(80, 700, f"Valve {number} is closed by hand.")
        canvas.showPage()
    canvas.save()
    return target.getvalue()


def empty_pdf() -> bytes:
    document, target = pypdfium2.PdfDocument.new(), io.BytesIO()
    document.save(target)
    return target.getvalue()


def blank_pdf() -> bytes:
    document, target = pypdfium2.PdfDocument.new(), io.BytesIO()
    document.new_page(200, 200)
    document.save(target)
    return target.getvalue()


def word(text: str = GOOD) -> bytes:
    document, target = docx.Document(), io.BytesIO()
    document.add_paragraph(text)
    document.save(target)
    return target.getvalue()


def bomb() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"<w>" + b" " * 60_000_000)
    return target.getvalue()


def zipped() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a.txt", GOOD)
    return target.getvalue()


BAD = {
    "empty.txt": (b"", "it is empty"),
    "spaces.md": (b" \n\t\r\n ", "it is empty"),
    "mark.txt": (b"\xef\xbb\xbf", "it is empty"),
    "nopages.pdf": (empty_pdf(), "has no pages"),
    "scan.pdf": (blank_pdf(), "the PDF holds no text: check that it has content besides pictures and empty pages"),
    "secret.pdf": (pdf(encrypt=StandardEncryption("owner", ownerPassword="x")), "encrypted"),
    "long.pdf": (pdf(6), "6 pages, more than ingestion.max_pages = 5"),
    "cut.pdf": (pdf()[:200], "damaged PDF"),
    "fake.pdf": (b"just words", "is none"),
    "picture.txt": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40, "binary"),
    "archive.txt": (zipped(), "ZIP archive"),
    "cut.docx": (word()[:-900], "cut-off Word document"),
    "hollow.docx": (zipped(), "damaged Word document"),
    "bomb.docx": (bomb(), "would unpack to 60 MB"),
    "old.docx": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, "old or password-protected"),
    "script.html": (b"<html><head><title>App</title></head><body><script>run()</script></body></html>", "no text was found"),
    "broken.jsonl": (b'{"text": "fine"}\n{"text": \n[1]\n', "line 2 is not valid JSON.*line 3 is no JSON object"),
}


@pytest.mark.parametrize("name", BAD)
def test_each_bad_file_has_its_reason(name):
    data, reason = BAD[name]
    with pytest.raises(UnreadableDocument, match=reason):
        read_document(data, name, LIMITS)


def test_bad_files_are_reported_and_do_not_stop_the_rest(workspace, store, tmp_path):
    (workspace.root / "doyen.toml").write_text("[ingestion]\nmax_pages = 5\nmax_file_mb = 10\n")
    folder = tmp_path / "documents"
    folder.mkdir()
    for name, (data, _) in BAD.items():
        (folder / name).write_bytes(data)
    (folder / "zz-good.txt").write_text(GOOD)
    report = ingest(Workspace(workspace.root), store, [folder])
    assert report.added == ["zz-good.txt"]
    assert {source for source, _ in report.failed} == set(BAD)
    assert report.n_documents == 1
    assert check_offsets(store) == []


def test_a_200_mb_file_is_left_out_unread(workspace, store, tmp_path):
    folder = tmp_path / "documents"
    folder.mkdir()
    with (folder / "log.txt").open("wb") as stream:
        stream.truncate(200_000_000)
    start = time.perf_counter()
    report = ingest(workspace, store, [folder])
    assert time.perf_counter() - start < 5
    assert report.failed == [("log.txt", "it has 200 MB, more than ingestion.max_file_mb = 100: split it or raise the setting")]


def test_an_encrypted_pdf_that_opens_without_password_is_read():
    data = pdf(encrypt=StandardEncryption("", ownerPassword="x"))
    assert "closed by hand" in read_document(data, "a.pdf", LIMITS).text


def test_deeply_nested_html_takes_no_time():
    page = "<body>" + "<div>" * 100_000 + "<p>The text inside</p>" + "</div>" * 100_000 + "<p>after</p></body>"
    start = time.perf_counter()
    text = read_document(page.encode(), "deep.html", LIMITS).text
    assert time.perf_counter() - start < 5
    assert "The text inside" in text
    assert "after" in text


def test_wrong_encoding_declared_in_html_and_ragged_csv():
    page = "<html><meta charset='utf-8'><body><p>größer als 5 €</p></body></html>".encode("cp1252")
    assert read_document(page, "a.html", LIMITS).text == "größer als 5 €"
    assert read_document(b'a,b\n1\n1,2,3,4\n"open quote,5\n', "r.csv", LIMITS).text.split("\n")[:2] == [
        "a: 1",
        "a: 1 | b: 2 | 3 | 4",
    ]


def test_a_path_that_does_not_exist_changes_nothing(workspace, store, tmp_path):
    (tmp_path / "a.txt").write_text(GOOD)
    with pytest.raises(InputError, match=r"nowhere.*does not exist"):
        ingest(workspace, store, [tmp_path / "a.txt", tmp_path / "nowhere"])
    with store.session() as session:
        assert session.scalar(select(func.count()).select_from(DocumentRow)) == 0


def test_hidden_lock_foreign_and_outside_files_are_skipped(workspace, store, tmp_path):
    outside, folder = tmp_path / "secret.txt", tmp_path / "documents"
    outside.write_text("secret")
    (folder / ".git").mkdir(parents=True)
    for name in (".hidden.txt", "~$plan.docx", "a.txt.part", ".git/config.txt", "photo.gif", "good.txt"):
        (folder / name).write_text(GOOD)
    (folder / "link.txt").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.txt")
    report = ingest(workspace, store, [folder])
    assert report.added == ["good.txt"]
    assert dict(report.skipped) == {
        "link.txt": "a link that leads out of the folder",
        "photo.gif": "files of type .gif are not read",
        "pipe.txt": "it is no regular file",
    }


def run_as(code: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120, **options)


@pytest.fixture
def nobody_folder():
    """A folder that belongs to a user whom permissions stop, unlike root."""
    base = Path(tempfile.mkdtemp())
    yield base
    shutil.rmtree(base)


def test_files_and_folders_without_permission(nobody_folder):
    workspace, folder = create_workspace(nobody_folder / "space"), nobody_folder / "documents"
    store = open_store(workspace)
    (folder / "closed").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "closed/c.txt"):
        (folder / name).write_text(f"{GOOD} In file {name}.")
    assert len(ingest(workspace, store, [folder]).added) == 3
    (folder / "a.txt").write_text("changed")
    (folder / "a.txt").chmod(0)
    (folder / "closed").chmod(0)
    as_root = os.geteuid() == 0
    if as_root:
        for path in [nobody_folder, *nobody_folder.rglob("*")]:
            os.chown(path, 65534, 65534)
        os.seteuid(65534)
    try:
        report = ingest(workspace, store, [folder])
    finally:
        if as_root:
            os.seteuid(0)
        (folder / "closed").chmod(0o755)
        store.close()
    assert [source for source, _ in report.failed] == [str(folder / "closed"), "a.txt"]
    assert all("ermission denied" in reason for _, reason in report.failed)
    assert report.removed == []
    assert report.n_documents == 3


def test_a_full_disk_is_an_error_and_leaves_whole_documents(workspace, store, tmp_path):
    """A limit on the size of files stands for a full disk: SQLite meets it in the same place."""
    folder = tmp_path / "documents"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number:02}.txt").write_text("\n\n".join(f"Rule {n} of file {number}: {GOOD}" for n in range(100)))
    store.close()
    code = f"""
        import resource, signal
        from pathlib import Path
        from doyen.ingestion.ingest import ingest
        from doyen.core.errors import StorageError
        from doyen.core.store import open_store
        from doyen.core.workspace import Workspace
        workspace = Workspace(Path({str(workspace.root)!r}))
        store = open_store(workspace)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (700_000, 700_000))
        try:
            ingest(workspace, store, [Path({str(folder)!r})])
        except StorageError as error:
            print("StorageError:", error)
    """
    result = run_as(code)
    assert result.stdout.startswith("StorageError:"), result.stderr[-2000:]
    with store.session() as session:
        written = session.scalar(select(func.count()).select_from(DocumentRow))
    assert 0 < written < 40
    assert check_offsets(store) == []
    report = ingest(workspace, store, [folder])
    assert len(report.unchanged) == written
    assert report.n_documents == 40


def test_a_killed_run_leaves_whole_documents_and_the_next_goes_on(workspace, store, tmp_path):
    folder = tmp_path / "documents"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number:02}.txt").write_text("\n\n".join(f"Rule {n} of file {number}: {GOOD}" for n in range(60)))
    code = f"""
        import os
        from contextlib import contextmanager
        from pathlib import Path
        from doyen.ingestion.ingest import ingest
        from doyen.core.progress import Silent
        from doyen.core.store import open_store
        from doyen.core.workspace import Workspace

        class Killer(Silent):
            @contextmanager
            def bar(self, title, total):
                yield self
            count = 0
            def advance(self, amount=1, note=""):
                self.count += 1
                if self.count == 10:
                    os.kill(os.getpid(), 9)

        workspace = Workspace(Path({str(workspace.root)!r}))
        ingest(workspace, open_store(workspace), [Path({str(folder)!r})], reporter=Killer())
    """
    assert run_as(code).returncode == -9
    assert check_offsets(store) == []
    report = ingest(workspace, store, [folder])
    assert (len(report.unchanged), len(report.added)) == (10, 30)
    assert check_offsets(store) == []


@pytest.mark.parametrize("name", ["", "/etc/a.txt", "../a.txt", "a.exe", "x" * 600 + ".txt", "a\n.txt"])
def test_unusable_upload_names(workspace, store, name):
    with pytest.raises(InputError):
        ingest_bytes(workspace, store, name, GOOD.encode())


def test_a_bad_upload_changes_nothing(workspace, store):
    ingest_bytes(workspace, store, "a.txt", GOOD.encode())
    with pytest.raises(UnreadableDocument, match=r"a\.txt: it is empty"):
        ingest_bytes(workspace, store, "a.txt", b"")
    with store.session() as session:
        assert GOOD in session.scalars(select(ChunkRow.text)).all()


def merged_word(text: str, rows: int) -> bytes:
    """Return a Word document whose first column is one cell over all rows."""
    cell = '<w:tc><w:tcPr><w:vMerge w:val="{}"/></w:tcPr><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc>'
    value = "<w:tc><w:p><w:r><w:t>v</w:t></w:r></w:p></w:tc>"
    lines = [cell.format("restart", text) + value, *[cell.format("continue", "") + value] * rows]
    table = f"<w:tbl {nsdecls('w')}>{''.join(f'<w:tr>{line}</w:tr>' for line in lines)}</w:tbl>"
    document, target = docx.Document(), io.BytesIO()
    document.element.body.insert(0, parse_xml(table))
    document.save(target)
    return target.getvalue()


LONG = "one two three four " * 1_000
REPEATING = {
    "merged.docx": lambda: merged_word(LONG, 4_500),
    "packed.docx": lambda: word(" ".join([LONG] * 500)),
    "rows.html": lambda: f"<table><tr><td rowspan=4500>{LONG}<td>v{'<tr><td>v' * 4500}</table>".encode(),
    "columns.html": lambda: (
        f"<table><tr><th colspan=900>{LONG}{'<tr>' + ''.join(f'<td>{n}' for n in range(900))}</table>"
    ).encode(),
    "headings.csv": lambda: (f"{LONG},amount\n" + "a,1\n" * 9_000).encode(),
    "headings.md": lambda: (f"| {LONG} | amount |\n|---|---|\n" + "| a | 1 |\n" * 9_000).encode(),
}


@pytest.mark.parametrize("name", REPEATING)
def test_a_small_file_gives_no_large_text(name):
    with pytest.raises(UnreadableDocument, match=r"characters.*size"):
        read_document(REPEATING[name](), name, Limits(100_000_000, 400_000_000, 100))


def test_a_title_is_no_second_text():
    page = f"<html><head><title>{LONG}</title></head><body><p>{GOOD}</p></body></html>"
    assert len(read_document(page.encode(), "a.html", LIMITS).title) <= 300
