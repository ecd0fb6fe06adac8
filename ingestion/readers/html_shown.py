"""What a browser shows of a page: hidden elements go, raised figures are marked, fields and pictures become their text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from doyen.ingestion.superscripts import GAP, lowered, raised

NEVER_TEXT = (
    "script, style, noscript, template, iframe, object, canvas, audio, video, head, datalist, rp, annotation, "
    "dialog:not([open])"
)
REVEALED = ("aria-controls", "data-target", "data-bs-target", "href")
"""Attributes by which a control names the element that it folds out."""
TYPED = frozenset(("text", "number", "email", "tel", "url", "search", "date", "time", "month", "week", "datetime-local", ""))
HIDING = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse))\s*(?:!important\s*)?(?=;|$)", re.I)
VERTICAL = re.compile(r"(?:^|;)\s*vertical-align\s*:\s*(super|sub)\s*(?:!important\s*)?(?=;|$)", re.I)
STRUCK = re.compile(r"(?:^|[;{\s])text-decoration(?:-line)?\s*:[^;]*\bline-through\b", re.I)
ATOM = re.compile(r"[\w.,]*|\([^()]*\)")
MOST_SELECTORS = 100
LEAST_BUTTON_WORDS = 3


def show(page: LexborHTMLParser) -> None:
    """Change a page so that its text is what a browser shows, without what is struck out."""
    _remove_hidden(page)
    _strike_out(page)
    for node in page.css(NEVER_TEXT):
        _remove(node)
    for node in page.css("svg"):
        _replace(node, " ".join(text.text() for text in node.css("text")))
    for node in page.css("img, area"):
        _replace(node, node.attributes.get("alt") or "")
    _show_fields(page)
    _mark_raised(page)
    for node in page.css("pre br"):
        node.replace_with("\n")


def _remove_hidden(page: LexborHTMLParser) -> None:
    controls = [node.attributes.get(name) or "" for name in REVEALED for node in page.css(f"[{name}]") if _unfolds(node)]
    revealed = {part.lstrip("#") for value in controls for part in value.split()}
    hidden = [node for node in page.css("[hidden]") if (node.attributes.get("hidden") or "").lower() != "until-found"]
    hidden += [node for node in page.css("[style]") if HIDING.search(node.attributes.get("style") or "")]
    hidden += [node for node in _ruled(page, HIDING) if not _follows_control(node)]
    # An element for ears only or eyes only is text like any other, a sign without a word is decoration.
    hidden += [node for node in page.css("[aria-hidden=true]") if not any(letter.isalnum() for letter in node.text())]
    for node in hidden:
        if node.tag not in ("html", "body", "main") and (node.attributes.get("id") or "") not in revealed:
            _remove(node)


def _unfolds(node: LexborNode) -> bool:
    """Whether a control folds out what it names, as in a list of questions or a row of tabs."""
    attributes = node.attributes
    toggled = (attributes.get("data-toggle") or attributes.get("data-bs-toggle") or "").lower()
    return "aria-expanded" in attributes or attributes.get("role") == "tab" or toggled in ("collapse", "tab", "pill")


def _strike_out(page: LexborHTMLParser) -> None:
    """Empty elements that are struck out; a cell of a table stays, so that the cells behind it keep their columns."""
    styled = [node for node in page.css("[style]") if STRUCK.search(node.attributes.get("style") or "")]
    for node in [*page.css("del, s, strike"), *styled, *_ruled(page, STRUCK)]:
        for child in list(node.iter(include_text=True)):
            child.remove()
        node.insert_child(GAP)


def _ruled(page: LexborHTMLParser, looks: re.Pattern[str]) -> list[LexborNode]:
    """Return the elements that a rule of the page's own style sheet gives these looks on screen."""
    selectors = []
    for sheet in page.css("style"):
        depth = 0
        for part in _without_comments(sheet.text()).split("}"):
            *outer, selector, rule = ["", *part.split("{")] if "{" in part else ["", "", part]
            depth = max(0, depth + len(outer) - 1) if "{" in part else max(0, depth - 1)
            if not depth and looks.search(rule):
                selectors += [name.strip() for name in selector.split(",") if ":" not in name and name.strip()]
    found: list[LexborNode] = []
    for selector in selectors[:MOST_SELECTORS]:
        try:
            found += page.css(selector)
        except (ValueError, SelectolaxError):
            continue  # a selector of a newer standard
    return found


def _without_comments(css: str) -> str:
    first, *rest = css.split("/*")
    return first + "".join(part.partition("*/")[2] for part in rest)


def _follows_control(node: LexborNode) -> bool:
    """Whether an element stands behind the button, or the heading with a button, that folds it out."""
    before = node.prev
    while before is not None and (before.is_text_node or before.is_comment_node):
        before = before.prev
    return before is not None and (before.tag in ("button", "summary", "label") or before.css_first("button") is not None)


def _show_fields(page: LexborHTMLParser) -> None:
    """Put the values of form fields in their place; buttons stay where they are the text of a heading or a question."""
    for node in page.css("input"):
        kind = (node.attributes.get("type") or "").lower()
        if kind in ("checkbox", "radio"):
            _replace(node, "☒" if "checked" in node.attributes else "☐")
        else:
            _replace(node, (node.attributes.get("value") or "") if kind in TYPED else "")
    for node in page.css("select"):
        options = node.css("option")
        chosen = [option for option in options if "selected" in option.attributes]
        if not chosen and "multiple" not in node.attributes:
            chosen = options[:1]
        _replace(node, ", ".join(option.text().strip() for option in chosen))
    for node in page.css("button"):
        if not (_unfolds(node) or has_parent(node, ("h1", "h2", "h3", "h4", "h5", "h6", "summary", "dt"))):
            form = (node.attributes.get("type") or "").lower() in ("submit", "reset") or has_parent(node, ("form", "nav"))
            if form or len(node.text().split()) < LEAST_BUTTON_WORDS:
                _remove(node)


def _mark_raised(page: LexborHTMLParser) -> None:
    styled = {"super": raised, "sub": lowered}
    # From the last one on: what is nested comes before what is around it.
    for node in reversed(page.css("sup, sub, [style]")):
        named = VERTICAL.search(node.attributes.get("style") or "")
        if node.tag in ("sup", "sub"):
            node.replace_with((raised if node.tag == "sup" else lowered)(node.text()))
        elif named and node.tag not in ("td", "th", "tr"):
            node.replace_with(styled[named.group(1).lower()](node.text()))
    for node in page.css("msup > :nth-child(2), msubsup > :nth-child(3)"):
        node.replace_with(raised(node.text()))
    for node in page.css("msub > :nth-child(2), msubsup > :nth-child(2)"):
        node.replace_with(lowered(node.text()))
    _write_fractions_and_roots(page)


def _write_fractions_and_roots(page: LexborHTMLParser) -> None:
    """Write equations on one line, each part in parentheses unless it is one figure or letter: (1/2)√(9), (a+b)/2."""
    for node in reversed(page.css("mfrac, msqrt, mroot")):
        parts = list(filter(None, (part.text().strip() for part in node.iter(include_text=True))))
        if node.tag == "msqrt":
            node.replace_with(f"√({''.join(parts)})")
        elif len(parts) == 2 and node.tag == "mroot":
            node.replace_with(f"({parts[1]})√({parts[0]})")
        elif len(parts) == 2:
            over, under = (part if ATOM.fullmatch(part) else f"({part})" for part in parts)
            alone = node.next is None and node.prev is None
            node.replace_with(f"{over}/{under}" if alone else f"({over}/{under})")


def ancestors(node: LexborNode) -> Iterator[LexborNode]:
    """Yield the elements around a node, the innermost first."""
    while (parent := node.parent) is not None:
        yield parent
        node = parent


def has_parent(node: LexborNode, tags: tuple[str, ...]) -> bool:
    """Whether a node stands in an element of one of these names, however deep."""
    return any(parent.tag in tags for parent in ancestors(node))


def _replace(node: LexborNode, text: str) -> None:
    if text.strip():
        node.replace_with(f" {text.strip()} ")
    else:
        _remove(node)


def _remove(node: LexborNode) -> None:
    if node.parent is not None:
        node.remove(recursive=True)
