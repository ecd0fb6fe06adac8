"""What was filled into the fields of a PDF form, and notes written on its pages, as lines at their places."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import replace

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from doyen.ingestion.readers.pdf_lines import Line, Segment
from doyen.ingestion.word_boxes import Word

HIDDEN = raw.FPDF_ANNOT_FLAG_HIDDEN | raw.FPDF_ANNOT_FLAG_NOVIEW
PASSWORD = 1 << 13
"""Flag of a text field whose content is not shown (ISO 32000-1, table 228)."""
BOXES = (raw.FPDF_FORMFIELD_CHECKBOX, raw.FPDF_FORMFIELD_RADIOBUTTON)
SHOWN = (raw.FPDF_FORMFIELD_TEXTFIELD, raw.FPDF_FORMFIELD_COMBOBOX, raw.FPDF_FORMFIELD_LISTBOX)


def fill_in(lines: list[Line], page: pdfium.PdfPage, number: int) -> list[Line]:
    """Return the lines of a page, which has that number, with the values of form fields put beside their labels."""
    filled = list(lines)
    for text, (left, bottom, right, top) in _fields(page):
        middle = (bottom + top) / 2
        beside = [place for place, line in enumerate(filled) if line.bottom <= middle <= line.top]
        right = max(right, left + 1)
        words = tuple(Word(word, number, left, bottom, right, top) for word in text.split())
        segment = Segment(text, left, right, words)
        if beside:
            place = beside[0]
            segments = tuple(sorted((*filled[place].segments, segment), key=lambda part: part.left))
            filled[place] = replace(filled[place], segments=segments)
        else:
            size = min(top - bottom, 12.0)
            line = Line((segment,), middle - size / 2, middle + size / 2, round(size, 1), False)
            above = [place for place, other in enumerate(filled) if other.bottom > middle]
            filled.insert(above[-1] + 1 if above else 0, line)
    return filled


def _fields(page: pdfium.PdfPage) -> Iterator[tuple[str, tuple[float, float, float, float]]]:
    """Yield the text of each field and written note that is shown, with its box in points."""
    rect = raw.FS_RECTF()
    for index in range(raw.FPDFPage_GetAnnotCount(page)):
        annotation = raw.FPDFPage_GetAnnot(page, index)
        if not annotation:
            continue
        try:
            text = "" if raw.FPDFAnnot_GetFlags(annotation) & HIDDEN else _text(page, annotation)
            if text and raw.FPDFAnnot_GetRect(annotation, rect):
                yield text, (rect.left, min(rect.bottom, rect.top), rect.right, max(rect.bottom, rect.top))
        finally:
            raw.FPDFPage_CloseAnnot(annotation)


def _text(page: pdfium.PdfPage, annotation: raw.FPDF_ANNOTATION) -> str:
    kind = raw.FPDFAnnot_GetSubtype(annotation)
    if kind == raw.FPDF_ANNOT_FREETEXT:
        return _string(lambda buffer, size: raw.FPDFAnnot_GetStringValue(annotation, b"Contents", buffer, size))
    if kind != raw.FPDF_ANNOT_WIDGET or page.formenv is None:
        return ""
    form = page.formenv
    field = raw.FPDFAnnot_GetFormFieldType(form, annotation)
    if field in BOXES:
        return "☒" if raw.FPDFAnnot_IsChecked(form, annotation) else "☐"
    if field not in SHOWN or raw.FPDFAnnot_GetFormFieldFlags(form, annotation) & PASSWORD:
        return ""
    return _string(lambda buffer, size: raw.FPDFAnnot_GetFormFieldValue(form, annotation, buffer, size))


def _string(read: Callable[[ctypes.Array[ctypes.c_ushort] | None, int], int]) -> str:
    """Return a string that PDFium copies to a buffer as UTF-16 with a zero at its end."""
    size = read(None, 0)
    if size <= 2:
        return ""
    buffer = (ctypes.c_ushort * (size // 2))()
    read(buffer, size)
    return " ".join(bytes(buffer)[:-2].decode("utf-16-le", "replace").split())
