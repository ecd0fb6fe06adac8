"""Builds the PDF, DOCX, HTML and oddly encoded documents of the example from `sources/`, and tags `questions.jsonl`.

The result is the same byte for byte at each run: dates come from `sources/manifest.csv` and archives carry a
fixed time. Documents that need no building (most Markdown, CSV and text files) lie in `documents/` as they are.

Run `python build.py` in this folder; it needs reportlab and python-docx.
"""

import codecs
import csv
import hashlib
import html
import io
import json
import re
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import docx
from blocks import Block, parse
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, ListFlowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

HERE = Path(__file__).parent
SOURCES = HERE / "sources"
DOCUMENTS = HERE / "documents"
ZIP_TIME = (2025, 1, 1, 0, 0, 0)


class Job(NamedTuple):
    """One line of `sources/manifest.csv`: what is built from what, and how."""

    source: str
    target: str
    format: str
    option: str
    title: str
    author: str
    date: str


def read_manifest() -> list[Job]:
    """Returns the jobs in the order of the manifest."""
    with (SOURCES / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return [Job(**row) for row in csv.DictReader(file)]


# Text in the encodings that real folders hold


def mojibake(text: str) -> str:
    """Returns `text` as it looks when its UTF-8 bytes are read as Windows-1252."""
    return "".join(bytes([byte]).decode("cp1252", errors="ignore") or chr(byte) for byte in text.encode("utf-8"))


def build_text(job: Job, source: str) -> bytes:
    """Encodes a text as its option says: an encoding, and "crlf" for Windows line ends."""
    encoding, *flags = job.option.split()
    if encoding == "mojibake":
        source, encoding = mojibake(source), "utf-8"
    if "crlf" in flags:
        source = source.replace("\n", "\r\n")
    if encoding == "utf-16":  # named without a byte order, Python's codec would follow the machine's
        return codecs.BOM_UTF16_LE + source.encode("utf-16-le")
    return source.encode(encoding)


# HTML


def _inline_html(text: str) -> str:
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", html.escape(text, quote=False))


def _html_row(cells: list[str], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{_inline_html(cell)}</{tag}>" for cell in cells) + "</tr>"


def _html_block(block: Block) -> str:
    if block.kind == "heading":
        return f"<h{block.level}>{_inline_html(block.text)}</h{block.level}>"
    if block.kind == "paragraph":
        return f"<p>{_inline_html(block.text)}</p>"
    if block.kind == "table":
        head, *body = block.rows
        return "\n".join(["<table>", _html_row(head, "th"), *(_html_row(row, "td") for row in body), "</table>"])
    tag = "ul" if block.kind == "bullets" else "ol"
    return "\n".join([f"<{tag}>", *(f"<li>{_inline_html(item)}</li>" for item in block.items), f"</{tag}>"])


def build_html(job: Job, source: str) -> bytes:
    """Puts the text into the page template that the option names, with its navigation and footer."""
    template = Template((SOURCES / "templates" / f"{job.option}.html").read_text(encoding="utf-8"))
    body = "\n".join(_html_block(block) for block in parse(source))
    section = job.target.split("/")[0].capitalize()
    fields = {"title": html.escape(job.title), "author": html.escape(job.author), "date": job.date}
    return template.substitute(fields, section=section, body=body).encode("utf-8")


# PDF


def _pdf_table(rows: list[list[str]], style: ParagraphStyle, width: float) -> Table:
    cells = [[Paragraph(html.escape(cell, quote=False), style) for cell in row] for row in rows]
    table = Table(cells, colWidths=[width / len(rows[0])] * len(rows[0]), repeatRows=1, spaceBefore=4, spaceAfter=8)
    table.setStyle(
        TableStyle(
            [
                ("GRID", (0, 0), (-1, -1), 0.5, colors.grey),
                ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ]
        )
    )
    return table


def _pdf_block(block: Block, width: float) -> Flowable:
    styles = getSampleStyleSheet()
    body = ParagraphStyle("Body", parent=styles["BodyText"], fontSize=10.5, leading=15, spaceAfter=6)
    if block.kind == "heading":
        return Paragraph(html.escape(block.text, quote=False), styles[f"Heading{min(block.level, 4)}"])
    if block.kind == "paragraph":
        return Paragraph(html.escape(block.text, quote=False), body)
    if block.kind == "table":
        return _pdf_table(block.rows, ParagraphStyle("Cell", parent=body, fontSize=9, leading=11, spaceAfter=0), width)
    items = [Paragraph(html.escape(item, quote=False), body) for item in block.items]
    return ListFlowable(items, bulletType="bullet" if block.kind == "bullets" else "1")


def _page_frame(job: Job) -> Callable[[Any, Any], None]:
    def draw(canvas: Any, document: Any) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawString(20 * mm, 285 * mm, f"Quillane Instruments    {job.title}")
        canvas.drawString(20 * mm, 12 * mm, f"Uncontrolled when printed    {job.date}    Page {document.page}")

    return draw


def build_pdf(job: Job, source: str) -> bytes:
    """Sets the text on A4 pages with a running head and foot."""
    buffer = io.BytesIO()
    document = SimpleDocTemplate(buffer, pagesize=A4, topMargin=22 * mm, title=job.title, author=job.author, invariant=1)
    story = [_pdf_block(block, document.width) for block in parse(source)]
    frame = _page_frame(job)
    document.build([*story, Spacer(1, 4 * mm)], onFirstPage=frame, onLaterPages=frame)
    return buffer.getvalue()


# DOCX


def _add_docx_block(document: Any, block: Block) -> None:
    if block.kind == "heading":
        document.add_heading(block.text, level=block.level)
    elif block.kind == "paragraph":
        document.add_paragraph(block.text)
    elif block.kind == "table":
        table = document.add_table(rows=len(block.rows), cols=len(block.rows[0]), style="Table Grid")
        for row, cells in zip(table.rows, block.rows, strict=True):
            for cell, text in zip(row.cells, cells, strict=True):
                cell.text = text
    else:
        style = "List Bullet" if block.kind == "bullets" else "List Number"
        for item in block.items:
            document.add_paragraph(item, style=style)


def _with_fixed_times(archive: bytes) -> bytes:
    """Returns the same zip archive with one fixed time on all members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in sorted(old.namelist(), key=lambda name: (name != "[Content_Types].xml", name)):
            info = zipfile.ZipInfo(name, date_time=ZIP_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(info, old.read(name))
    return buffer.getvalue()


def build_docx(job: Job, source: str) -> bytes:
    """Writes a Word document with headings, lists, tables, and a running head."""
    document = docx.Document()
    properties = document.core_properties
    properties.title, properties.author, properties.last_modified_by = job.title, job.author, job.author
    properties.created = properties.modified = datetime.fromisoformat(job.date)
    document.sections[0].header.paragraphs[0].text = f"Quillane Instruments    {job.title}"
    for block in parse(source):
        _add_docx_block(document, block)
    buffer = io.BytesIO()
    document.save(buffer)
    return _with_fixed_times(buffer.getvalue())


BUILDERS: dict[str, Callable[[Job, str], bytes]] = {
    "text": build_text,
    "html": build_html,
    "pdf": build_pdf,
    "docx": build_docx,
}


# The development third of the questions


def is_development(question_id: str) -> bool:
    """Whether a question may be looked at while prompts and settings are tried; the others are for figures alone."""
    return int(hashlib.sha256(question_id.encode()).hexdigest(), 16) % 3 == 0


def tag_development(path: Path = HERE / "questions.jsonl") -> None:
    """Writes the tag `development` to the questions that it is for, and to no other."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        tags = [tag for tag in row["tags"] if tag != "development"]
        row["tags"] = [*tags, "development"] if is_development(row["id"]) else tags
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def main() -> None:
    """Builds every document of the manifest and tags the questions."""
    jobs = read_manifest()
    for job in jobs:
        source = (SOURCES / job.source).read_text(encoding="utf-8")
        target = DOCUMENTS / job.target
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(BUILDERS[job.format](job, source))
    tag_development()
    print(f"{len(jobs)} documents built")


if __name__ == "__main__":
    main()
