"""Pictures as documents: their text is recognised page by page, and what cannot be read says why."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pypdfium2 as pdfium
import pytest
from PIL import Image

from doyen.core.errors import UnreadableDocument
from doyen.core.workspace import Workspace
from doyen.ingestion.document import ParsedDocument
from doyen.ingestion.ingest import ingest, ingest_bytes
from doyen.ingestion.readers import read_document
from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.readers.page_image import MARKER, render_page
from doyen.ingestion.readers.picture import opened, pages_of
from doyen.ingestion.readers.process import shared_reader
from doyen.ingestion.word_boxes import boxes_of_span, unpack
from tests.support.scans import require_tesseract, written

LIMITS = Limits(30_000_000, 120_000_000, 100, max_seconds=120, ocr_languages="eng")
FIRST = [(60.0, 700.0, "The relief valve of the boiler opens at 7.5 bar."), (60.0, 680.0, "It is tested every 26 weeks.")]
SECOND = [(60.0, 400.0, "The gasket of the lid is made of graphite.")]
TEXT = "The relief valve of the boiler opens at 7.5 bar. It is tested every 26 weeks."


def drawn(scale: float, *pages: list[tuple[float, float, str]]) -> list[Image.Image]:
    with pdfium.PdfDocument(written(*pages)) as document:
        return [page.render(scale=scale).to_pil() for page in document]


def saved(pictures: list[Image.Image], kind: str, **options: object) -> bytes:
    target = io.BytesIO()
    if len(pictures) > 1:
        options |= {"save_all": True, "append_images": pictures[1:]}
    pictures[0].save(target, kind, **options)
    return target.getvalue()


def read(data: bytes, name: str = "a.png", limits: Limits = LIMITS) -> ParsedDocument:
    return read_document(data, name, limits)


@pytest.mark.parametrize(
    ("name", "kind", "media_type", "scale", "options"),
    [
        ("screen.png", "PNG", "image/png", 1.4, {}),
        ("camera.JPG", "JPEG", "image/jpeg", 4.0, {"dpi": (72, 72)}),
        ("scan.tif", "TIFF", "image/tiff", 200 / 72, {"dpi": (200, 200), "compression": "group4"}),
    ],
)
def test_the_text_of_a_picture_is_recognised_with_its_confidence_and_its_boxes(name, kind, media_type, scale, options):
    require_tesseract()
    pictures = drawn(scale, FIRST)
    if options.get("compression") == "group4":
        pictures = [each.convert("1") for each in pictures]
    data = saved(pictures, kind, **options)
    document = read(data, name)
    assert (document.text, document.media_type, document.pages) == (TEXT, media_type, ((0, len(TEXT)),))
    assert document.recognised[0][0] == 1
    assert document.recognised[0][1] > 0.8
    start = document.text.index("7.5")
    (box,) = boxes_of_span(unpack(document.boxes), start, start + 3)[1]
    assert abs(box.left - 260) < 6
    assert abs(box.bottom - 700) < 6
    shown = np.asarray(Image.open(io.BytesIO(render_page(data, 1, [box]))).convert("RGB"))
    rows, columns = np.nonzero((shown == MARKER).all(axis=2))
    assert abs((rows.min() + rows.max()) / 2 / shown.shape[0] - (842 - 704) / 842) < 0.01
    assert abs((columns.min() + columns.max()) / 2 / shown.shape[1] - 268 / 595) < 0.01


def test_a_tiff_has_as_many_pages_as_it_has_pictures():
    require_tesseract()
    blank = Image.new("L", (400, 600), 255)
    data = saved([*drawn(200 / 72, FIRST), blank, *drawn(200 / 72, SECOND)], "TIFF", dpi=(200, 200))
    document = read(data, "scan.tiff")
    assert document.text == f"{TEXT}\n\nThe gasket of the lid is made of graphite."
    assert [page for page, _ in document.recognised] == [1, 2, 3]
    assert document.pages_without_text == (2,)
    with pytest.raises(UnreadableDocument, match=r"3 pages, more than ingestion\.max_pages = 2"):
        read(data, "scan.tiff", replace(LIMITS, max_pages=2))


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA", "CMYK", "I;16"])
def test_pictures_of_any_colour_look_the_same(mode):
    """Behind what is transparent, paper is white: black letters on nothing would be black on black."""
    (picture,) = drawn(1.0, FIRST)
    grey = np.asarray(picture.convert("L"))
    if mode == "I;16":
        picture = Image.fromarray(grey.astype("uint16") * 257)
    elif mode == "RGBA":
        picture = Image.fromarray(np.dstack([grey * 0, grey * 0, grey * 0, 255 - grey]))
    else:
        picture = picture.convert(mode)
    with opened(saved([picture], "TIFF" if mode == "CMYK" else "PNG")) as image:
        (page,) = pages_of(image)
    difference = np.abs(np.asarray(page.image.convert("L")).astype(int) - grey)
    assert difference.mean() < 1
    assert mode in ("1", "P") or difference.max() <= 12


def test_a_picture_that_a_camera_turned_is_upright():
    (picture,) = drawn(1.0, FIRST)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it clockwise to see it upright
    with opened(saved([picture.rotate(90, expand=True)], "JPEG", exif=exif)) as image:
        (page,) = pages_of(image)
    assert page.image.size == picture.size
    assert np.abs(np.asarray(page.image).astype(int) - np.asarray(picture.convert("RGB"))).mean() < 2


BAD = {
    "cut.png": (saved(drawn(1.0, FIRST), "PNG")[:400], "damaged picture"),
    "cut.jpg": (b"\xff\xd8\xff\xe0 cut", "damaged picture"),
    "words.png": (b"just words", r"is named \.png but is none"),
    "icon.png": (saved([Image.new("RGB", (16, 16), "red")], "PNG"), "no text was found in the picture"),
    "huge.png": (saved([Image.new("1", (30_000, 20_000))], "PNG"), "more than 179 million pixels"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_pictures_have_their_reason(name):
    with pytest.raises(UnreadableDocument, match=BAD[name][1]):
        read(BAD[name][0], name)


def test_pictures_are_not_read_without_recognition_and_say_so(workspace, store, tmp_path, monkeypatch):
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "scan.png").write_bytes(saved(drawn(1.0, FIRST), "PNG"))
    monkeypatch.setenv("DOYEN_INGESTION__OCR", "off")
    report = ingest(Workspace(workspace.root), store, [folder])
    assert report.failed == [("scan.png", 'text recognition is switched off: set ingestion.ocr = "auto"')]


def test_a_picture_is_a_document_that_was_read_in_the_bounded_process(workspace, store):
    require_tesseract()
    data = saved(drawn(2.0, FIRST), "PNG")
    assert shared_reader().read(data, "plant/scan.png", LIMITS).text == TEXT
    report = ingest_bytes(workspace, store, "plant/scan.png", data)
    assert (report.added, [page for page, _ in report.recognised[0][1]]) == (["plant/scan.png"], [1])
    assert [path.read_bytes() for path in workspace.originals_folder.iterdir()] == [data]
