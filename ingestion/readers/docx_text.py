"""The text of a Word paragraph as Word shows it: results of fields, insertions, symbols, raised figures, equations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from doyen.ingestion.readers.docx_math import M, math_text
from doyen.ingestion.readers.docx_styles import Style, Styles, W, alignment, is_on, is_struck, roman, value_of
from doyen.ingestion.readers.docx_symbols import symbol_text
from doyen.ingestion.superscripts import GAP, lowered, raised

MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_NOT_SHOWN = """
del moveFrom pPr rPr sdtPr sdtEndPr instrText delText delInstrText rt tblPr tblGrid trPr tcPr sectPr annotationRef
"""
NOT_SHOWN = frozenset(f"{W}{name}" for name in _NOT_SHOWN.split())
_BREAKS = {f"{W}tab": "\t", f"{W}ptab": "\t", f"{W}br": "\n", f"{W}cr": "\n", f"{W}noBreakHyphen": "-"}
BOX = f"{W}txbxContent"


def chosen_alternative(node: Any) -> Any | None:
    """Return the one of the alternatives of ``mc:AlternateContent`` that Word shows; the other repeats it."""
    choice = node.find(f"{MC}Choice")
    return choice if choice is not None else node.find(f"{MC}Fallback")


def mark_is_deleted(paragraph: Any) -> bool:
    """Whether the end of a paragraph was deleted with changes tracked: its text goes on in the next one."""
    properties = paragraph.find(f"{W}pPr/{W}rPr")
    return properties is not None and any(properties.find(f"{W}{name}") is not None for name in ("del", "moveFrom"))


class TextReader:
    """Reads paragraphs one after another: fields go over several, and notes are numbered as they are met.

    Attributes:
        notes: numbers of the notes that were referred to, by (kind, id), in order.
    """

    def __init__(self, styles: Styles, root: Any) -> None:
        self.styles = styles
        self.notes: dict[tuple[str, str], str] = {}
        self._parts: list[str] = []
        self._boxes: list[Any] = []
        self._results: list[bool] = []
        """Open fields, outermost first, and whether their result has begun: what comes before is their code."""
        kinds = [mark.get(f"{W}fldCharType") for mark in root.iter(f"{W}fldChar")]
        self._has_whole_fields = kinds.count("begin") == kinds.count("end")

    def read(self, paragraph: Any) -> tuple[str, list[Any]]:
        """Return a paragraph's text, raised characters marked, and the text boxes anchored in it."""
        self._parts, self._boxes = [], []
        self._walk(paragraph, self.styles.of_paragraph(paragraph))
        return "".join(self._parts), self._boxes

    def _walk(self, node: Any, style: Style) -> None:
        for child in node:
            tag = child.tag
            if tag in NOT_SHOWN or not isinstance(tag, str):
                continue
            if tag == f"{W}r":
                self._walk(child, self._run_style(child, style))
            elif tag == f"{W}t":
                self._emit(symbol_text(child.text or "", _font(child)), style)
            elif tag in _BREAKS:
                self._emit(_BREAKS[tag], style)
            elif tag == f"{W}sym":
                self._emit(_symbol(child), style)
            elif tag == f"{W}fldChar":
                self._field(child, style)
            elif tag in (f"{W}footnoteReference", f"{W}endnoteReference"):
                self._note(child, style)
            elif tag == f"{M}oMath":
                self._emit(math_text(child), style)
            elif tag == BOX:
                if not style.hidden:
                    self._boxes.append(child)
            elif tag == f"{MC}AlternateContent":
                alternative = chosen_alternative(child)
                if alternative is not None:
                    self._walk(alternative, style)
            else:
                self._walk(child, style)

    def _emit(self, text: str, style: Style) -> None:
        if style.hidden or (self._has_whole_fields and not all(self._results)):
            return
        if style.struck:
            self._parts.append(GAP)
            return
        marked = {"superscript": raised, "subscript": lowered}.get(style.align)
        self._parts.append(marked(text) if marked is not None else text)

    def _run_style(self, run: Any, inherited: Style) -> Style:
        """Return what of a run's looks matters, from its own settings, its style, its paragraph's style, in this order."""
        named = value_of(run, "rPr/rStyle")
        style = self.styles.get(named) if named else Style()
        hidden, struck, align = is_on(run, "rPr/vanish"), is_struck(run), alignment(run)
        return Style(
            hidden=(style.hidden or inherited.hidden) if hidden is None else hidden,
            struck=(style.struck or inherited.struck) if struck is None else struck,
            align=(style.align or inherited.align) if align is None else align,
        )

    def _field(self, mark: Any, style: Style) -> None:
        kind = mark.get(f"{W}fldCharType")
        if kind == "begin":
            self._emit(_form_field(mark), style)
            self._results.append(False)
        elif kind == "separate" and self._results:
            self._results[-1] = True
        elif kind == "end" and self._results:
            self._results.pop()

    def _note(self, reference: Any, style: Style) -> None:
        kind = reference.tag[len(W) :].removesuffix("Reference")
        key = (kind, reference.get(f"{W}id", ""))
        if style.hidden or reference.get(f"{W}customMarkFollows") in ("1", "true", "on"):
            self.notes.setdefault(key, "")
            return
        count = 1 + sum(bool(number) for (other, _), number in self.notes.items() if other == kind)
        number = self.notes.setdefault(key, str(count) if kind == "footnote" else roman(count).lower())
        self._emit(raised(number), replace(style, align=""))


def _font(text: Any) -> str:
    fonts = text.getparent().find(f"{W}rPr/{W}rFonts")
    return "" if fonts is None else fonts.get(f"{W}ascii", "")


def _symbol(node: Any) -> str:
    try:
        sign = chr(int(node.get(f"{W}char", ""), 16))
    except (ValueError, OverflowError):
        return ""
    font = node.get(f"{W}font", "")
    # A symbol font's signs are found at U+F0xx and at U+00xx.
    return symbol_text(chr(ord(sign) | 0xF000) if ord(sign) < 0x100 and symbol_text("\uf0b7", font) != "\uf0b7" else sign, font)


def _form_field(mark: Any) -> str:
    """Return what an old form field shows that is no text in the document: a tick, or the entry chosen of a list."""
    box = mark.find(f"{W}ffData/{W}checkBox")
    if box is not None:
        checked = is_on(box, "checked")
        return "☒" if (checked if checked is not None else is_on(box, "default")) else "☐"
    entries = mark.find(f"{W}ffData/{W}ddList")
    if entries is None:
        return ""
    names = [entry.get(f"{W}val", "") for entry in entries.findall(f"{W}listEntry")]
    chosen = value_of(entries, "result") or value_of(entries, "default") or "0"
    return names[int(chosen)] if chosen.isdigit() and int(chosen) < len(names) else ""
