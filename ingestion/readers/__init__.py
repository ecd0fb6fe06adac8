"""Readers: bytes of a file to a ParsedDocument, one module a format, chosen by extension and by content.

A new format is a module with a function like the others, a line in ``FORMATS`` and one in ``READERS``; a format that is a ZIP
package has one in ``PACKAGES`` too, and one that can be told by its first bytes is told in ``_format``. docs/documents.md lists
the formats.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import PurePosixPath

from doyen.core.errors import UnreadableDocument
from doyen.ingestion.document import ParsedDocument
from doyen.ingestion.readers.limits import Limits

Reader = Callable[[bytes, str, Limits], ParsedDocument]

CODE_EXTENSIONS = """
py pyi js mjs cjs jsx ts tsx java kt kts scala groovy c h cc cpp cxx hpp cs go rs rb php swift m mm r jl lua pl pm dart ex exs
erl hs clj ml fs vb pas f90 sql sh bash zsh ps1 bat proto graphql tf hcl yaml yml toml ini cfg conf properties xml
"""
FORMATS = {
    ".txt": "plain",
    ".text": "plain",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".pdf": "pdf",
    ".docx": "docx",
    ".pptx": "pptx",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".epub": "epub",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".geojson": "json",
    ".eml": "mail",
    ".msg": "mail",
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".tif", ".tiff"), "image"),
    **{f".{extension}": "code" for extension in CODE_EXTENSIONS.split()},
}
READERS = {
    "plain": "plain:read_plain",
    "markdown": "markdown:read_markdown",
    "html": "html:read_html",
    "pdf": "pdf:read_pdf",
    "docx": "docx:read_docx",
    "pptx": "pptx:read_pptx",
    "xlsx": "xlsx:read_xlsx",
    "epub": "epub:read_epub",
    "csv": "csv_table:read_csv",
    "jsonl": "jsonl:read_jsonl",
    "json": "json_tree:read_json",
    "code": "code:read_code",
    "mail": "mail:read_mail",
    "image": "image:read_image",
}
"""Format → module and function."""
EMAILS = (".eml", ".msg")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".mbox")
"""Endings of files that are no documents but hold some; ``unpack.py`` opens them."""
PACKAGES = {
    "docx": b"word/document.xml",
    "pptx": b"ppt/presentation.xml",
    "xlsx": b"xl/workbook.xml",
    "epub": b"META-INF/container.xml",
}
"""Formats that are ZIP archives → a member that tells one from the others."""
PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*")
"""First bytes of pictures."""
OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

OUTLOOK = "__properties_version1.0".encode("utf-16-le")
"""In an e-mail of Outlook (MSG), which is packed as old Office files are."""
SIDECAR_END = ".access.toml"


def is_sidecar(name: str) -> bool:
    """Whether a file says who may read the document beside it (ingestion/access_rules.py)."""
    return name.endswith(SIDECAR_END)


def is_supported(name: str) -> bool:
    """Whether files with this name are read."""
    return PurePosixPath(name).suffix.lower() in FORMATS and not is_sidecar(name)


def is_archive(name: str) -> bool:
    """Whether files with this name are archives or mailboxes, whose members are documents."""
    return name.lower().endswith(ARCHIVES)


def is_container(name: str) -> bool:
    """Whether files with this name may hold other documents: archives, and e-mails with attachments."""
    return is_archive(name) or name.lower().endswith(EMAILS)


def read_document(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Parse a file.

    Args:
        data: its bytes.
        name: its name or relative path; the extension says the format unless the content contradicts it.
        limits: what the reader may spend.

    Raises:
        UnreadableDocument: with the reason and the remedy; the name is not repeated in it.
    """
    if not data.strip(b" \t\r\n\x00\xef\xbb\xbf\xfe\xff"):
        raise UnreadableDocument("it is empty: fill it or remove it")
    if len(data) > limits.max_bytes:
        raise UnreadableDocument(too_large(len(data), limits))
    document = _reader(_format(data, name))(data, name, limits.for_size(len(data)))
    if not document.text:
        raise UnreadableDocument("no text was found in it: check that it has content besides scripts and pictures")
    return document


def too_large(size: int, limits: Limits) -> str:
    """Return the sentence about a file above ``max_bytes``."""
    most = limits.max_bytes // 1_000_000
    return f"it has {size / 1e6:,.0f} MB, more than ingestion.max_file_mb = {most}: split it or raise the setting"


def _format(data: bytes, name: str) -> str:
    """Return the format; a file's first bytes count more than its extension."""
    extension = PurePosixPath(name).suffix.lower()
    # Programs write lines before it; without the extension such a file is a text about PDF files.
    if b"%PDF-" in data[:1024] and (extension == ".pdf" or data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"%PDF-")):
        return "pdf"
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _package(data, FORMATS.get(extension, ""))
    if data.startswith(PICTURES) and FORMATS.get(extension) in ("image", "pdf"):
        return "image"
    if data.startswith(OLD_OFFICE):
        if extension == ".msg" or OUTLOOK in data:
            return "mail"
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise UnreadableDocument("it is a password-protected Office file: save it without the password")
        raise UnreadableDocument(
            "it is an old or password-protected Office file: save it as .docx, .xlsx or .pptx without password"
        )
    if extension not in FORMATS:
        raise UnreadableDocument(f"files of type {extension or '(none)'} are not read: convert it to PDF, DOCX, HTML or text")
    named = FORMATS[extension]
    if named in ("pdf", "image") or extension == ".msg":
        raise UnreadableDocument(f"it is named {extension} but is none: fetch it again or rename it")
    if named in PACKAGES:
        raise UnreadableDocument(f"it is named {extension} but is none, or damaged: open it in its program and save it again")
    if named == "plain" and data[:512].lstrip(b"\xef\xbb\xbf \t\r\n")[:15].lower().startswith((b"<!doctype html", b"<html")):
        return "html"
    return named


def _package(data: bytes, named: str) -> str:
    """Return the format of a ZIP archive: as it is named, unless it holds another."""
    held = [package for package, member in PACKAGES.items() if member in data]
    if named in held or (named in PACKAGES and not held):
        return named
    if not held:
        raise UnreadableDocument("it is a ZIP archive, not text: unpack it, or name it .zip")
    return held[0]


def _reader(named: str) -> Reader:
    """Return the reader of a format; its library is imported only then."""
    module, function = READERS[named].split(":")
    reader: Reader = getattr(import_module(f"{__name__}.{module}"), function)
    return reader
