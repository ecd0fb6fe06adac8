"""Sitemaps (sitemaps.org): the addresses of a site's pages, and of further sitemaps."""

from __future__ import annotations

import gzip
import io
import zlib

from lxml import etree

from doyen.core.errors import UnreadableDocument
from doyen.ingestion.readers.package import parse_xml

MOST_BYTES = 50_000_000
"""Of a sitemap, by the protocol."""
MOST_ADDRESSES = 50_000


def read_sitemap(data: bytes) -> dict[str, list[str]]:
    """Return the addresses as ``{"pages": …, "sitemaps": …}``; both are only text yet.

    Raises:
        UnreadableDocument: it is no sitemap, or larger than the protocol allows.
    """
    try:
        if data.startswith(b"\x1f\x8b"):
            data = gzip.GzipFile(fileobj=io.BytesIO(data)).read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise UnreadableDocument(f"it is a sitemap of more than {MOST_BYTES // 1_000_000} MB: give its parts one by one")
        root = parse_xml(data)
    except (etree.LxmlError, OSError, EOFError, ValueError, zlib.error) as error:
        raise UnreadableDocument(f"it is a damaged sitemap ({error}): ask the owner of the site") from error
    found = {}
    for name, element in (("pages", "url"), ("sitemaps", "sitemap")):
        texts = (location.text for location in root.iterfind(f"{{*}}{element}/{{*}}loc"))
        found[name] = [text.strip() for text in texts if text and text.strip()][:MOST_ADDRESSES]
    return found
