"""Which parts of a web page are not its content: navigation, page footers, cookie notices, forms, scripts.

What stands inside <main> or <article> is trusted: only what is marked as navigation or as a notice goes there.
"""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

NEVER_TEXT = (
    "script, style, noscript, template, svg, iframe, object, canvas, audio, video, head, "
    "select, datalist, button, input, textarea"
)
ROLES = frozenset(["navigation", "banner", "contentinfo", "search", "menu", "menubar", "dialog", "alertdialog", "toolbar"])
MARKED = re.compile(
    r"(?:^|[-_\s])(?:nav|navbar|navigation|menu|breadcrumbs?|cookies?|consent|gdpr|sidebar|side-bar|footer|site-header|"
    r"masthead|share|sharing|social|newsletter|subscribe|advert|advertisement|ads|promo|banner|skip-?link|pagination|pager|related|"
    r"language-switch|lang-switch)(?:$|[-_\s])",
    re.IGNORECASE,
)
INSIDE_CONTENT = re.compile(
    r"(?:^|[-_\s])(?:nav|navbar|breadcrumbs?|cookies?|consent|share|sharing|social|pagination)(?:$|[-_\s])", re.I
)
LEAST_SHARE_OF_MAIN = 0.3
"""A <main> with less of the page's text than this is not trusted to be the content."""
LEAST_KEPT = 0.2
"""When removal leaves less of the text than this, the page marks its content oddly and nothing but scripts is removed."""


def remove_never_text(page: LexborHTMLParser) -> None:
    """Remove what a browser does not show as text."""
    for node in page.css(NEVER_TEXT):
        if node.parent is not None:
            node.decompose()
    for node in page.css("[hidden], [aria-hidden=true]"):
        if node.parent is not None and node.tag not in ("html", "body", "main"):
            node.decompose()


def content_of(page: LexborHTMLParser) -> LexborNode | None:
    """Return the node that holds the page's content, with boilerplate removed from it; None for an empty page."""
    body = page.body
    if body is None:
        return None
    whole = len(body.text(separator=" ").split())
    main = _main_node(page, whole)
    root = main if main is not None else body
    doomed = [node for node in root.css("*") if node.mem_id != root.mem_id and _is_boilerplate(node, in_main=main is not None)]
    lost = {node.mem_id for node in doomed}
    removed = sum(len(node.text(separator=" ").split()) for node in doomed if not _has_ancestor(node, lost))
    within = len(root.text(separator=" ").split())
    if within - removed < LEAST_KEPT * whole:
        return body
    for node in doomed:
        if not _has_ancestor(node, lost) and node.parent is not None:
            node.remove(recursive=True)
    return root


def _main_node(page: LexborHTMLParser, words: int) -> LexborNode | None:
    for selector in ("main", "[role=main]", "article"):
        found = page.css(selector)
        if len(found) == 1 and len(found[0].text(separator=" ").split()) >= LEAST_SHARE_OF_MAIN * words:
            return found[0]
    return None


def _is_boilerplate(node: LexborNode, *, in_main: bool) -> bool:
    if node.tag == "nav" or (node.tag == "footer" and not in_main):
        return True
    attributes = node.attributes
    role = attributes.get("role") or ""
    if role in ROLES:
        return True
    if node.tag == "header" and not in_main:
        return node.css_first("h1") is None
    if node.tag == "aside" and not in_main:
        return True
    if node.tag in ("html", "body", "main", "article", "table", "tr", "td", "th", "h1", "h2", "h3", "h4"):
        return False
    names = f"{attributes.get('class') or ''} {attributes.get('id') or ''}"
    return bool((INSIDE_CONTENT if in_main else MARKED).search(names)) if names != " " else False


def _has_ancestor(node: LexborNode, ids: set[int]) -> bool:
    parent = node.parent
    while parent is not None:
        if parent.mem_id in ids:
            return True
        parent = parent.parent
    return False
