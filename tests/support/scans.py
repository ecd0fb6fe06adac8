"""PDF pages that are pictures of text, as a scanner makes them."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence

import pypdfium2 as pdfium
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from tests.support.required import require

DOTS_PER_INCH = 200


def require_tesseract() -> None:
    """Leave the test out where Tesseract is not installed."""
    require(
        shutil.which("tesseract") is not None,
        "TESSERACT",
        "Tesseract is not installed: run scripts/install_system_packages.sh",
    )


def scanned(data: bytes, *, stamp: str = "", rotation: int = 0) -> bytes:
    """Return a PDF with a picture of each page of another one.

    Args:
        stamp: text that is written over each picture.
        rotation: of the pages; the pictures are turned back, so that they are shown upright.
    """
    target = io.BytesIO()
    canvas = Canvas(target)
    with pdfium.PdfDocument(data) as document:
        for page in document:
            picture = page.render(scale=DOTS_PER_INCH / 72, grayscale=True).to_pil().rotate(rotation, expand=True)
            size = (picture.width * 72 / DOTS_PER_INCH, picture.height * 72 / DOTS_PER_INCH)
            canvas.setPageSize(size)
            canvas.setPageRotation(rotation)
            canvas.drawImage(ImageReader(picture), 0, 0, *size)
            if stamp:
                canvas.drawString(20, 20, stamp)
            canvas.showPage()
    canvas.save()
    return target.getvalue()


def written(*pages: Sequence[tuple[float, float, str]], size: float = 12) -> bytes:
    """Return a PDF with texts at (left, bottom) in points."""
    target = io.BytesIO()
    canvas = Canvas(target, pagesize=A4)
    for page in pages:
        canvas.setFont("Helvetica", size)
        for left, bottom, text in page:
            canvas.drawString(left, bottom, text)
        canvas.showPage()
    canvas.save()
    return target.getvalue()
