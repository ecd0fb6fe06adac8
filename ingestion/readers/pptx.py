"""PowerPoint presentations (PPTX): a slide is a page with its title as heading, then its texts, tables, charts and notes."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from doyen.core.errors import UnreadableDocument
from doyen.ingestion.clean import repair_text, single_spaced, tidy_lines
from doyen.ingestion.document import DocumentBuilder, ParsedDocument
from doyen.ingestion.readers.limits import CellCount, Limits
from doyen.ingestion.readers.package import check_package, parse_xml, told_if_damaged
from doyen.ingestion.table_text import Cell, RowSpans, add_table

if TYPE_CHECKING:
    from pptx.presentation import Presentation
    from pptx.slide import Slide

KIND = "PowerPoint presentation"
MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
DEEPEST = 50
"""Groups within groups."""
A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
DIAGRAM = "http://schemas.openxmlformats.org/drawingml/2006/diagram"
RELATIONS = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"


def read_pptx(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Parse a presentation. Hidden slides are left out and noted; numbers of pages are those of the slides.

    Raises:
        UnreadableDocument: it is damaged, would unpack to more than the limit, or has too many slides.
    """
    from pptx import Presentation
    from pptx.exc import PythonPptxError

    check_package(data, KIND, limits)
    with told_if_damaged(KIND, PythonPptxError):
        presentation = Presentation(io.BytesIO(data))
        writer = _Writer(limits)
        writer.write(presentation)
        title = presentation.core_properties.title or ""
    return writer.builder.build(single_spaced(repair_text(title)) or writer.title, MEDIA_TYPE)


class _Writer:
    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.builder = DocumentBuilder(limits.max_characters)
        self.cells = CellCount(limits)
        self.title = ""

    def write(self, presentation: Presentation) -> None:
        """Add all slides."""
        slides = presentation.slides
        if len(slides) > self.limits.max_pages:
            raise UnreadableDocument(
                f"it has {len(slides):,} slides, more than ingestion.max_pages = {self.limits.max_pages:,}: split it"
            )
        for number, slide in enumerate(slides, start=1):
            self.builder.start_page()
            if slide._element.get("show") in ("0", "false"):
                self.builder.note(f"slide {number} is hidden and was left out: show it to have it read")
            else:
                self._slide(slide)

    def _slide(self, slide: Slide) -> None:
        heading = slide.shapes.title
        if heading is not None and heading.has_text_frame:
            text = single_spaced(_clean(heading.text_frame.text))
            self.title = self.title or text
            self.builder.add("heading", text, 1)
        shown = [shape for shape in _flat(slide.shapes, 0) if heading is None or shape.shape_id != heading.shape_id]
        for shape in sorted(shown, key=lambda shape: (shape.top or 0, shape.left or 0)):
            self._shape(shape)
        if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame) is not None:
            text = tidy_lines(_clean(notes.text))
            self.builder.add("paragraph", f"Notes: {text}" if text else "")

    def _shape(self, shape: Any) -> None:
        if _is_furniture(shape):
            return
        if getattr(shape, "has_table", False):
            self._table(shape.table)
        elif getattr(shape, "has_chart", False):
            self._chart(shape.chart)
        elif shape.has_text_frame:
            self._text(shape)
        else:
            self._diagram(shape)

    def _text(self, shape: Any) -> None:
        """Add a text box; several paragraphs of a placeholder are its bullets."""
        paragraphs = [(paragraph.level, tidy_lines(_clean(paragraph.text))) for paragraph in shape.text_frame.paragraphs]
        paragraphs = [(level, text) for level, text in paragraphs if text]
        bullets = shape.is_placeholder and len(paragraphs) > 1
        self.builder.new_group()
        for level, text in paragraphs:
            if bullets or level:
                self.builder.add("list_item", f"- {text}" if level == 0 else f"– {text}")
            else:
                self.builder.add("paragraph", text)
        self.builder.new_group()

    def _table(self, table: Any) -> None:
        spans = RowSpans()
        rows = []
        for row in table.rows:
            cells = []
            for cell in row.cells:
                self.cells.add()
                if cell.is_spanned:
                    continue
                text = single_spaced(_clean(cell.text))
                across, down = (cell.span_width, cell.span_height) if cell.is_merge_origin else (1, 1)
                self.cells.add_text(len(text) * min(down, len(table.rows)))
                cells.append((Cell(text, across), down))
            rows.append(spans.lay(cells))
        add_table(self.builder, rows, has_header=True if table.first_row and len(rows) > 1 else None)

    def _chart(self, chart: Any) -> None:
        """Add the figures of a chart: a row for each category, a column for each series."""
        if chart.has_title and chart.chart_title.has_text_frame:
            self.builder.add("paragraph", single_spaced(_clean(chart.chart_title.text_frame.text)))
        for plot in chart.plots:
            categories = [str(category) for category in plot.categories]
            series = list(plot.series)
            if not categories:
                continue
            self.cells.add(len(categories) * (len(series) + 1))
            columns = [list(each.values) for each in series]
            rows = [["", *(_clean(each.name or "") for each in series)]]
            for number, category in enumerate(categories):
                rows.append([_clean(category), *(_figure(column, number) for column in columns)])
            add_table(self.builder, rows, has_header=True)

    def _diagram(self, shape: Any) -> None:
        """Add the texts of a SmartArt graphic."""
        for reference in shape._element.iter(f"{{{DIAGRAM}}}relIds"):
            root = parse_xml(shape.part.related_part(reference.get(f"{RELATIONS}dm")).blob)
            self.builder.new_group()
            for paragraph in root.iter(f"{A}p"):
                text = single_spaced(_clean("".join(run.text or "" for run in paragraph.iter(f"{A}t"))))
                self.builder.add("list_item", f"- {text}" if text else "")
            self.builder.new_group()


def _flat(shapes: Iterable[Any], depth: int) -> Iterator[Any]:
    """Yield shapes, those of groups in the place of the group."""
    for shape in shapes:
        if not hasattr(shape, "shapes"):
            yield shape
        elif depth < DEEPEST:
            yield from _flat(shape.shapes, depth + 1)


def _is_furniture(shape: Any) -> bool:
    """Whether a shape is the slide's number, date or footer."""
    if not shape.is_placeholder:
        return False
    from pptx.enum.shapes import PP_PLACEHOLDER

    return shape.placeholder_format.type in (PP_PLACEHOLDER.SLIDE_NUMBER, PP_PLACEHOLDER.DATE, PP_PLACEHOLDER.FOOTER)


def _figure(column: list[Any], number: int) -> str:
    value = column[number] if number < len(column) else None
    return "" if value is None else f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)


def _clean(text: str) -> str:
    """Return text as it is shown; PowerPoint's line breaks within a paragraph are vertical tabs."""
    return repair_text(text.replace("\v", "\n"))
