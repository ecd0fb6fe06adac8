"""Text recognition (OCR) of pictured pages and of pictures through Tesseract, a program run for each with limits of its own.

A page is rendered at 300 dots an inch, a picture brought near that, and given to ``tesseract stdin stdout tsv``, whose words
come with their boxes and a confidence each. They become lines as those of a text layer are, so that tables, headings and
columns are found in them, too.
"""

from __future__ import annotations

import csv
import io
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import pypdfium2 as pdfium
import pypdfium2.raw as raw
from PIL import Image

from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.readers.pdf_lines import COLUMN_GAP, Line, Page, Segment, rejoin_rows
from doyen.ingestion.readers.picture import Picture
from doyen.ingestion.readers.tesseract import installed_languages, installed_version, run
from doyen.ingestion.word_boxes import Word

ToPage = Callable[[int, int], tuple[float, float]]
"""From a pixel to a point of the page."""
DOTS_PER_INCH = 300
MOST_PIXELS = 40_000_000
"""Larger pages are rendered more coarsely: A1 at 300 dots an inch has 70 million."""
MOST_ENLARGED = 3.0
"""Of a picture with few dots; more only blurs it."""
PAGE_SECONDS = 120.0
LEAST_CONFIDENCE = 0.3
"""Lines and whole pages below in the mean are dropped: specks, the texture of photographs, in which a line of two letters
measures up to 0.6 by chance, but not the page. Single words stay: right ones often measure 0.1."""
LETTER_HEIGHT = 1.35
"""Height of a line's letters with ascenders and descenders, in heights of its usual word."""
SAME_SIZE = 1.3
"""Ratio up to which sizes of lines are those of the body: boxes around words differ with their letters."""
FEW_LETTERS = 60
"""A page with a picture over it and no more letters has a stamp or a page number on a scan, not a text layer."""
LEAST_COVERED = 0.6
"""Share of the page that pictures cover, from which it may be a scan."""


@dataclass(frozen=True)
class Recognised:
    """What was read on a page.

    Attributes:
        confidence: mean over the words by their letters, 0 to 1; 0 where nothing was found.
    """

    page: Page
    confidence: float


class NotRecognised(Exception):
    """A page could not be recognised; the sentence says why, with the remedy."""


class Recogniser:
    """Recognises the pages of one document, until its time is spent."""

    def __init__(self, limits: Limits) -> None:
        self._languages = limits.ocr_languages
        self._seconds = limits.max_ocr_seconds
        self._spent = 0.0

    def check(self) -> None:
        """Raise NotRecognised where no page can be recognised: switched off, not installed, or a language is missing."""
        if not self._languages:
            raise NotRecognised('text recognition is switched off: set ingestion.ocr = "auto"')
        if not installed_version():
            raise NotRecognised("Tesseract is not installed: `apt-get install tesseract-ocr`, then ingest again")
        missing = set(self._languages.split("+")) - installed_languages()
        if missing:
            names = ", ".join(sorted(missing))
            packages = " ".join(f"tesseract-ocr-{name.replace('_', '-').lower()}" for name in sorted(missing))
            raise NotRecognised(
                f"Tesseract has no language {names}: `apt-get install {packages}`, or change ingestion.ocr_languages"
            )

    def read_page(self, page: pdfium.PdfPage, number: int) -> Recognised:
        """Recognise a page of a PDF.

        Args:
            number: of the page, from 1.

        Raises:
            NotRecognised: Tesseract failed, or the time is up.
        """
        return self._read(lambda: _render(page), number)

    def read_picture(self, picture: Picture, number: int) -> Recognised:
        """Recognise a picture; see ``read_page``."""
        return self._read(lambda: _enlarge(picture), number)

    def _read(self, prepare: Callable[[], _Rendered], number: int) -> Recognised:
        left = self._seconds - self._spent
        if left <= 0:
            raise NotRecognised(
                f"recognising the pages before took {self._seconds:,.0f} s: split the file, or raise ingestion.max_ocr_s"
            )
        begun = time.monotonic()
        try:
            return self._recognise(prepare(), number, min(left, PAGE_SECONDS))
        finally:
            self._spent += time.monotonic() - begun

    def _recognise(self, rendered: _Rendered, number: int, seconds: float) -> Recognised:
        (width, height), scale = rendered.size, rendered.scale
        picture = io.BytesIO()
        rendered.image.save(picture, "PPM")
        dots = round(72 * scale)
        arguments = ["stdin", "stdout", "-l", self._languages, "--dpi", str(max(dots, 70)), "tsv"]
        try:
            done = run(arguments, seconds=seconds, data=picture.getvalue())
        except subprocess.TimeoutExpired as error:
            raise NotRecognised(f"recognising it takes more than {seconds:,.0f} s: split it or scan it again") from error
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip().split("\n")[-1][:200]
            raise NotRecognised(f"Tesseract failed on it ({said or done.returncode}): scan it again")
        found = _words(done.stdout.decode("utf-8", "replace"))
        confidence = _confidence(found)
        if confidence < LEAST_CONFIDENCE:
            return Recognised(Page([], width, height), confidence)
        lines = [
            _line(words, number, height, scale, rendered.to_page) for _, words in groupby(found, key=lambda word: word.line)
        ]
        return Recognised(Page(rejoin_rows(_with_even_sizes(lines)), width, height), confidence)


@dataclass(frozen=True)
class _Rendered:
    """What Tesseract is shown: a picture, its size in points, its pixels for each point, and where a pixel is on the page."""

    image: Image.Image
    size: tuple[float, float]
    scale: float
    to_page: ToPage


def _render(page: pdfium.PdfPage) -> _Rendered:
    width, height = page.get_size()
    scale = min(DOTS_PER_INCH / 72, (MOST_PIXELS / max(width * height, 1.0)) ** 0.5)
    bitmap = page.render(scale=scale, grayscale=True)
    return _Rendered(bitmap.to_pil(), (width, height), scale, bitmap.get_posconv(page).to_page)


def _enlarge(picture: Picture) -> _Rendered:
    """Return a picture large enough for small letters, which Tesseract misreads, and no larger than the largest page."""
    wanted = min(max(DOTS_PER_INCH / 72 / picture.scale, 1.0), MOST_ENLARGED)
    most = (MOST_PIXELS / (picture.image.width * picture.image.height)) ** 0.5
    shown = picture.resized(factor) if (factor := min(wanted, most)) != 1.0 else picture
    return _Rendered(shown.image.convert("L"), shown.size, shown.scale, shown.to_page)


@dataclass(frozen=True)
class _Found:
    """A word that Tesseract found; ``line`` names its line, the edges are pixels from the upper left corner."""

    line: tuple[str, ...]
    left: int
    top: int
    right: int
    bottom: int
    confidence: float
    text: str


def needs_recognition(page: pdfium.PdfPage, lines: Sequence[Line]) -> bool:
    """Whether the text of a page is in pictures: it has no usable text layer, and something is drawn on it."""
    text = "".join(line.text for line in lines)
    letters = sum(character.isalnum() for character in text)
    unusable = sum(character == "\ufffd" or "\ue000" <= character <= "\uf8ff" for character in text)
    if letters == 0 or unusable > letters:
        return raw.FPDFPage_CountObjects(page) > 0
    return letters <= FEW_LETTERS and _covered(page) >= LEAST_COVERED


def _covered(page: pdfium.PdfPage) -> float:
    """Return the share of a page that its pictures cover, at most 1."""
    width, height = page.get_size()
    area = 0.0
    for picture in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3):
        left, bottom, right, top = picture.get_bounds()
        area += max(0.0, right - left) * max(0.0, top - bottom)
    return min(1.0, area / max(width * height, 1.0))


def _words(table: str) -> list[_Found]:
    """Return the words of Tesseract's TSV output in its reading order."""
    found = []
    for row in csv.DictReader(io.StringIO(table), delimiter="\t", quoting=csv.QUOTE_NONE):
        text, confidence = (row.get("text") or "").strip(), float(row.get("conf") or -1) / 100
        if row["level"] == "5" and text and confidence >= 0:
            left, top, width, height = (int(row[name]) for name in ("left", "top", "width", "height"))
            line = (row["block_num"], row["par_num"], row["line_num"])
            found.append(_Found(line, left, top, left + width, top + height, confidence, text))
    return found


def _confidence(words: Sequence[_Found]) -> float:
    letters = sum(len(word.text) for word in words)
    return round(sum(word.confidence * len(word.text) for word in words) / letters, 3) if letters else 0.0


def _line(words: Iterable[_Found], page: int, height: float, scale: float, to_page: ToPage) -> Line | None:
    """Return a line in points, upright as it is read; None where it is hardly one.

    Its words' boxes are in the page's own coordinates, which a rotated page turns.
    """
    found = list(words)
    if _confidence(found) < LEAST_CONFIDENCE:
        return None
    size = LETTER_HEIGHT * statistics.median(word.bottom - word.top for word in found) / scale
    parts: list[list[_Found]] = [[found[0]]]
    for before, word in pairwise(found):
        if (word.left - before.right) / scale > COLUMN_GAP * size:
            parts.append([])
        parts[-1].append(word)
    segments = [
        Segment(
            " ".join(word.text for word in part),
            part[0].left / scale,
            part[-1].right / scale,
            tuple(_printed(word, page, to_page) for word in part),
        )
        for part in parts
    ]
    bottom = height - statistics.median(word.bottom for word in found) / scale
    return Line(tuple(segments), bottom, bottom + size, size, False)


def _printed(word: _Found, page: int, to_page: ToPage) -> Word:
    corners = [to_page(word.left, word.top), to_page(word.right, word.bottom)]
    across, up = zip(*corners, strict=True)
    return Word(word.text, page, min(across), min(up), max(across), max(up))


def _with_even_sizes(lines: Sequence[Line | None]) -> list[Line]:
    """Return the lines with sizes near the usual one set to it, others rounded: headings are told by equal sizes."""
    found = [line for line in lines if line is not None]
    usual = statistics.median(line.size for line in found) if found else 0.0
    even = []
    for line in found:
        near = usual / SAME_SIZE <= line.size <= usual * SAME_SIZE
        even.append(replace(line, size=round(usual, 1) if near else float(2 * round(line.size / 2))))
    return even
