"""Pages of PDFs and pictures, with areas marked as a text marker does."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import islice

import pypdfium2 as pdfium
from PIL import Image, ImageChops

from doyen.core.errors import UnreadableDocument
from doyen.ingestion.readers import PICTURES
from doyen.ingestion.readers.picture import opened, pages_of
from doyen.ingestion.word_boxes import Box

LONGEST_SIDE = 2000
"""Pixels."""
SCALE = 2.0
"""Pixels for each point, where the page is small enough."""
MARKER = (255, 226, 89)
AROUND = 1.5
"""Points by which an area is marked beyond its box."""


def render_page(data: bytes, number: int, areas: Sequence[Box]) -> bytes:
    """Return a page as PNG.

    Args:
        data: the PDF, or the picture, which may have several pages.
        number: of the page, from 1.
        areas: what to mark, in the page's own coordinates; a rotated page is shown, and marked, as it is read.

    Raises:
        UnreadableDocument: the page cannot be drawn.
    """
    draw = _draw_picture if data.startswith(PICTURES) else _draw_pdf
    target = io.BytesIO()
    draw(data, number, areas).save(target, "PNG")
    return target.getvalue()


def _draw_pdf(data: bytes, number: int, areas: Sequence[Box]) -> Image.Image:
    try:
        with pdfium.PdfDocument(data) as document:
            if document.get_formtype():
                document.init_forms()
            page = document[number - 1]
            scale = min(SCALE, LONGEST_SIDE / max(*page.get_size(), 1.0))
            bitmap = page.render(scale=scale, rev_byteorder=True)
            picture = bitmap.to_pil().convert("RGB")
            to_bitmap = bitmap.get_posconv(page).to_bitmap
            for left, bottom, right, top in areas:
                corners = to_bitmap(left - AROUND, bottom - AROUND), to_bitmap(right + AROUND, top + AROUND)
                across, down = (sorted(ends) for ends in zip(*corners, strict=True))
                _mark(picture, (across[0], down[0], across[1], down[1]))
    except (pdfium.PdfiumError, IndexError) as error:
        raise UnreadableDocument(f"page {number} cannot be drawn ({error}): save the PDF again") from error
    return picture


def _draw_picture(data: bytes, number: int, areas: Sequence[Box]) -> Image.Image:
    with opened(data) as image:
        page = next(islice(pages_of(image), number - 1, None), None)
        if page is None:
            raise UnreadableDocument(f"the picture has no page {number}: ingest it again")
        page = page.resized(min(1.0, LONGEST_SIDE / max(page.image.size)))
    picture = page.image.convert("RGB")
    for left, bottom, right, top in areas:
        across, down = zip(
            page.to_pixels(left - AROUND, top + AROUND), page.to_pixels(right + AROUND, bottom - AROUND), strict=True
        )
        _mark(picture, (across[0], down[0], across[1], down[1]))
    return picture


def _mark(picture: Image.Image, area: tuple[int, int, int, int]) -> None:
    """Colour an area; what is black there stays black."""
    left, top, right, bottom = (
        max(0, min(edge, most)) for edge, most in zip(area, (*picture.size, *picture.size), strict=True)
    )
    if right > left and bottom > top:
        marked = picture.crop((left, top, right, bottom))
        picture.paste(ImageChops.multiply(marked, Image.new("RGB", marked.size, MARKER)), (left, top))
