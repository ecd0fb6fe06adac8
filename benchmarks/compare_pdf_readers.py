"""Compare PDF libraries on the filings: time, words, table rows on one line, reading order.

    python benchmarks/compare_pdf_readers.py [--data ../shared/data]

Processor time is measured, so that other work on the machine matters little. pypdf and pdfplumber are no dependencies of
Doyen: `pip install pypdf pdfplumber` first. A table row counts as whole when its label and all its amounts stand in one
line of the text, in their order. Words count as recovered when they are among those that at least two libraries find.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pypdfium2 as pdfium

from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.readers.pdf import read_pdf

FILES = {"MCDONALDS": (0, 4), "ULTABEAUTY": (0, 9), "JOHNSON": (0, 3), "3M_2018": (45, 75)}
ROWS = [
    "Other revenues|86.0|100.4|(14.4)|(14)",
    "Interest expense|329.7|287.3|42.4|15",
    "NET INCOME|1,802.3|1,104.4|697.9|63",
    "Operating income|447,618|13.9%|375,622|13.8%",
    "Income tax expense|401,136|3.9%|309,992|3.6%",
    "Goodwill|10,870|10,870",
    "Merchandise inventories, net|1,603,451|1,499,218",
    "0.650% Notes Due May 2024|JNJ24C|New York Stock Exchange",
    "5.50% Notes Due November 2024|JNJ24BP|New York Stock Exchange",
    "Cash and cash equivalents|2,853|3,053",
    "Total inventories|4,366|4,034",
    "Accrued payroll|749|870",
    "Free cash flow|4,862|4,867|5,242",
    "Treasury stock|(29,626)|(25,887)",
]
SENTENCES = [
    "representing almost 40% of their Systemwide sales",
    "comparable sales grew 12.6% through a healthy balance of strategic menu price increases",
    "Free cash flow and free cash flow conversion are not defined under U.S. generally accepted accounting principles",
    "they should not be considered a substitute for income or cash flow data prepared in accordance with U.S. GAAP",
    "3M has a subsidiary in Venezuela, the financial statements of which are remeasured as if its functional currency",
    "the Company does not undertake to publicly update or revise its forward-looking statements",
    "Johnson & Johnson completed its previously announced split-off exchange offer",
]


def with_doyen(data: bytes) -> str:
    """Doyen's reader: pypdfium2 with rows, headings and paragraphs rebuilt."""
    return read_pdf(data, "x.pdf", Limits(10**9, 10**9, 10**6)).text


def with_pypdfium2(data: bytes) -> str:
    """The text as PDFium gives it."""
    with pdfium.PdfDocument(data) as document:
        return "\n".join(page.get_textpage().get_text_range() for page in document)


def with_pypdf(data: bytes) -> str:
    """Pypdf's plain extraction."""
    from pypdf import PdfReader

    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)


def with_pdfplumber(data: bytes) -> str:
    """Pdfplumber's text; its tables come on top and are not timed."""
    import pdfplumber

    with pdfplumber.open(io.BytesIO(data)) as document:
        return "\n".join(page.extract_text() for page in document.pages)


READERS: dict[str, Callable[[bytes], str]] = {
    "doyen": with_doyen,
    "pypdfium2": with_pypdfium2,
    "pypdf": with_pypdf,
    "pdfplumber": with_pdfplumber,
}


def cut(path: Path, first: int, last: int) -> bytes:
    """Return the pages [first, last) as a PDF of their own."""
    with pdfium.PdfDocument(path) as source, pdfium.PdfDocument.new() as target:
        target.import_pages(source, list(range(first, min(last, len(source)))))
        stream = io.BytesIO()
        target.save(stream)
        return stream.getvalue()


def row_is_whole(row: str, text: str) -> bool:
    """Whether the parts of a row stand in one line, in order, whatever is between them."""
    pattern = ".*?".join(re.escape(part) for part in row.split("|"))
    return re.search(pattern, text, re.IGNORECASE) is not None


def sentence_is_whole(sentence: str, text: str) -> bool:
    """Whether a sentence stands in the text once white space is made single."""
    return sentence in " ".join(text.split())


def main() -> None:
    """Run the comparison and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("DOYEN_DATA", "../shared/data")))
    arguments = parser.parse_args()
    folder = arguments.data / "filings"
    parts = [cut(next(folder.glob(f"{name}*")), *pages) for name, pages in FILES.items()]
    n_pages = sum(last - first for first, last in FILES.values())
    texts, seconds = {}, {}
    for name, reader in READERS.items():
        reader(parts[2])  # imports are not timed
        start = time.process_time()
        texts[name] = "\n".join(reader(part) for part in parts)
        seconds[name] = time.process_time() - start
    words = {name: set(re.findall(r"\w[\w.,'’-]*\w", text)) for name, text in texts.items() if name != "doyen"}
    agreed = {word for word, count in Counter(word for found in words.values() for word in found).items() if count >= 2}
    words["doyen"] = set(re.findall(r"\w[\w.,'’-]*\w", texts["doyen"]))
    print("| reader | ms a page (processor) | words recovered | table rows whole | sentences whole |")
    print("| --- | --- | --- | --- | --- |")
    for name, text in texts.items():
        rows = sum(row_is_whole(row, text) for row in ROWS)
        sentences = sum(sentence_is_whole(sentence, text) for sentence in SENTENCES)
        recovered = len(words[name] & agreed) / len(agreed)
        speed = 1000 * seconds[name] / n_pages
        print(f"| {name} | {speed:.1f} | {recovered:.3f} | {rows}/{len(ROWS)} | {sentences}/{len(SENTENCES)} |")


if __name__ == "__main__":
    main()
