"""Pictures (PNG, JPEG, TIFF) whose text is recognised, as that of a scanned page of a PDF is."""

from __future__ import annotations

from dataclasses import replace

from doyen.core.errors import UnreadableDocument
from doyen.ingestion.document import ParsedDocument
from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.readers.ocr import NotRecognised, Recogniser
from doyen.ingestion.readers.pdf import build_document, clean_page
from doyen.ingestion.readers.pdf_lines import Page
from doyen.ingestion.readers.picture import MEDIA_TYPES, Picture, opened, pages_of

LEAST_PIXELS = 24
"""Of the shorter side: icons are not given to Tesseract."""


def read_image(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Recognise the text of a picture, and of each page of a TIFF.

    Raises:
        UnreadableDocument: it is damaged, too long, or no text is found in it, with the remedy where none was looked for.
    """
    recogniser = Recogniser(limits)
    with opened(data) as image:
        media_type = MEDIA_TYPES[image.format or "PNG"]
        count = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
        if count > limits.max_pages:
            raise UnreadableDocument(f"the picture has {count} pages, more than ingestion.max_pages = {limits.max_pages}")
        pages = [clean_page(_page(picture, number, recogniser)) for number, picture in enumerate(pages_of(image), start=1)]
    if not any(page.lines for page in pages):
        problem = next((page.problem for page in pages if page.problem), "no text was found in the picture")
        raise UnreadableDocument(problem)
    return build_document(pages, "", media_type, limits)


def _page(picture: Picture, number: int, recogniser: Recogniser) -> Page:
    empty = Page([], *picture.size)
    if min(picture.image.size) < LEAST_PIXELS:
        return empty
    try:
        recogniser.check()
        recognised = recogniser.read_picture(picture, number)
    except NotRecognised as error:
        return replace(empty, problem=str(error))
    return replace(recognised.page, confidence=recognised.confidence)
