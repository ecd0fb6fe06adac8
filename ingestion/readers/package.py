"""Documents that are ZIP packages (DOCX, PPTX, XLSX, EPUB): what they would unpack to, and what damaged ones raise."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from lxml import etree

from doyen.core.errors import UnreadableDocument
from doyen.ingestion.readers.limits import Limits

DAMAGED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
    etree.LxmlError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What the libraries raise where a package is not as they expect."""


def check_package(data: bytes, kind: str, limits: Limits) -> None:
    """Check that a package can be opened and how large its content is, before anything of it is unpacked.

    Args:
        data: the file.
        kind: what it should be, such as "Word document".
        limits: gives ``max_unpacked_bytes``.

    Raises:
        UnreadableDocument: it is cut off, protected by a password, or too large.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, struct.error) as error:
        raise UnreadableDocument(f"it is a damaged or cut-off {kind} ({error}): fetch or save it again") from error
    if any(entry.flag_bits & 1 for entry in entries):
        raise UnreadableDocument(f"it is a password-protected {kind}: save it without the password")
    size = sum(entry.file_size for entry in entries)
    if size > limits.max_unpacked_bytes:
        raise UnreadableDocument(
            f"it would unpack to {size / 1e6:,.0f} MB, more than {limits.max_unpacked_bytes / 1e6:,.0f} MB: "
            "save it without its pictures or split it"
        )


@contextmanager
def told_if_damaged(kind: str, *errors: type[Exception]) -> Iterator[None]:
    """Turn what a library raises on a damaged package, ``errors`` of its own among it, into an UnreadableDocument."""
    try:
        yield
    except (*DAMAGED, *errors) as error:
        raise UnreadableDocument(f"it is a damaged {kind} ({error}): open it in its program and save it again") from error


def parse_xml(data: bytes) -> etree._Element:
    """Parse a part of a package without entities, DTDs or network.

    Raises:
        lxml.etree.LxmlError: it is not well-formed.
    """
    return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
