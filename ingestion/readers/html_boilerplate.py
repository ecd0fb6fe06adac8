"""Which parts of a web page are not its content: navigation, page footers, cookie notices.

The elements and roles of HTML say so by themselves. A class name is only a hint: "banner", "footer" and "menu" also stand on
warnings, cards and chapters, so that what it names must look the part too, as a list of links or a short notice.
What stands inside <main> or <article> is trusted: only what is marked as navigation or as a notice goes there.
"""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from doyen.ingestion.readers.html_shown import ancestors, has_parent

ROLES = frozenset(["navigation", "banner", "contentinfo", "search", "menu", "menubar", "dialog", "alertdialog", "toolbar"])
_LINK_LISTS = """
nav navbar navigation menu main-menu top-menu breadcrumb breadcrumbs sidebar side-bar footer site-footer page-footer header
site-header page-header masthead share sharing share-buttons social social-links related related-posts related-links ads
advert advertisement promo pagination pager skip-link skiplink language-switch lang-switch
"""
LINK_LISTS = frozenset(_LINK_LISTS.split())
PARTS = ("article", "section", "blockquote", "figure", "td", "li")
"""Whose headers and footers belong to them and not to the page."""
LEAST_SHARE_OF_LINKS = 0.5
NOTICE = re.compile(r"^(cookie|consent|gdpr|newsletter|subscribe)", re.IGNORECASE)
NOTICE_WORDS = re.compile(r"\b(?:cookies?|consent|privacy|newsletter|subscribe)\b", re.IGNORECASE)
LONGEST_NOTICE = 80
LEAST_SHARE_OF_MAIN = 0.3
"""A <main> with less of the page's text than this is not trusted to be the content."""
LEAST_KEPT = 0.2
"""When removal leaves less of the text than this, the page marks its content oddly and nothing is removed."""


def content_of(page: LexborHTMLParser) -> LexborNode | None:
    """Return the node that holds the page's content, with boilerplate removed from it; None for an empty page."""
    body = page.body
    if body is None:
        return None
    whole = _count(body)
    main = _main_node(page, whole)
    root = main if main is not None else body
    doomed = [node for node in root.css("*") if node.mem_id != root.mem_id and _is_boilerplate(node, in_main=main is not None)]
    lost = {node.mem_id for node in doomed}
    outermost = [node for node in doomed if not any(parent.mem_id in lost for parent in ancestors(node))]
    if _count(root) - sum(map(_count, outermost)) < LEAST_KEPT * whole:
        return body
    for node in outermost:
        if node.parent is not None:
            node.remove(recursive=True)
    return root


def _count(node: LexborNode) -> int:
    return len(node.text(separator=" ").split())


def _main_node(page: LexborHTMLParser, words: int) -> LexborNode | None:
    for selector in ("main", "[role=main]", "article"):
        found = page.css(selector)
        if len(found) == 1 and _count(found[0]) >= LEAST_SHARE_OF_MAIN * words:
            return found[0]
    return None


def _is_boilerplate(node: LexborNode, *, in_main: bool) -> bool:
    attributes = node.attributes
    if node.tag == "nav" or (attributes.get("role") or "") in ROLES:
        return True
    if node.tag in ("footer", "aside") and not in_main:
        return not has_parent(node, PARTS)
    if node.tag == "header" and not in_main:
        return not has_parent(node, PARTS) and node.css_first("h1, h2") is None
    if node.tag in ("html", "body", "main", "article", "table", "tr", "td", "th", "h1", "h2", "h3", "h4"):
        return False
    names = f"{attributes.get('class') or ''} {attributes.get('id') or ''}".lower().split()
    if any(name in LINK_LISTS for name in names):
        return _is_links(node)
    return any(NOTICE.match(name) for name in names) and _is_notice(node)


def _is_links(node: LexborNode) -> bool:
    linked = sum(_count(link) for link in node.css("a"))
    return linked >= LEAST_SHARE_OF_LINKS * _count(node)


def _is_notice(node: LexborNode) -> bool:
    text = node.text(separator=" ")
    return len(text.split()) <= LONGEST_NOTICE and NOTICE_WORDS.search(text) is not None
