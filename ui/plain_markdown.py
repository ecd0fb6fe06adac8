"""The Markdown of cards as HTML: headings, lists, tables and paragraphs. Nothing else is markup, and everything is escaped."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import groupby


def markdown_html(text: str) -> str:
    """Return a card as it is read. Links, pictures and HTML in it are shown as the text that they are."""
    return f"<div class='doyen-tables doyen-markdown'>{''.join(_blocks(text))}</div>"


def _blocks(text: str) -> Iterator[str]:
    for kind, lines in groupby(text.splitlines(), key=_kind):
        shown = list(lines)
        if kind == "table":
            yield _table(shown)
        elif kind == "list":
            yield f"<ul>{''.join(f'<li dir=auto>{escape(line[2:])}</li>' for line in shown)}</ul>"
        elif kind == "heading":
            yield from (f"<h3 dir='auto'>{escape(line.lstrip('# '))}</h3>" for line in shown)
        elif kind == "text":
            yield f"<p dir='auto'>{escape(' '.join(shown))}</p>"


def _kind(line: str) -> str:
    if not line.strip():
        return ""
    return {"|": "table", "#": "heading"}.get(line[0], "list" if line.startswith("- ") else "text")


def _table(lines: list[str]) -> str:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if set(line) - set("|-: ")]
    head, *body = rows or [[]]
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    shown = "".join(f"<tr>{''.join(f'<td dir=auto>{escape(cell)}</td>' for cell in row)}</tr>" for row in body)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{shown}</tbody></table>"
