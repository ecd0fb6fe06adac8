"""E-mail (EML, MSG): the usual headers, then the text with its quoted replies; attachments are documents of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from pathlib import PurePosixPath
from typing import Any

from doyen.core.errors import UnreadableDocument
from doyen.core.manifest import short_id
from doyen.ingestion.clean import repair_text, single_spaced, tidy_lines
from doyen.ingestion.document import DocumentBuilder, ParsedDocument
from doyen.ingestion.readers.html import add_fragment
from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.readers.package import DAMAGED

MEDIA_TYPE = "message/rfc822"
HEADERS = ("From", "To", "Cc", "Date")
OLE = b"\xd0\xcf\x11\xe0"
"""First bytes of e-mails of Outlook."""
LONGEST_HEADER = 2_000
LONGEST_NAME = 80
EXTENSIONS = {
    "message/rfc822": ".eml",
    "application/pdf": ".pdf",
    "text/plain": ".txt",
    "text/html": ".html",
    "text/csv": ".csv",
}
"""Of attachments without a name."""
_HEADER = re.compile(rb"(?:>?From |[!-9;-~]+:)")
_SEPARATOR = re.compile(rb"^From [^\n]*\n", re.MULTILINE)
_ESCAPED = re.compile(rb"^>(>*From )", re.MULTILINE)


def read_mail(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Parse an e-mail: its subject as heading, its headers as a paragraph, its HTML or else its plain text.

    Raises:
        UnreadableDocument: it is no e-mail, or its parts are nested too deep.
    """
    message = _parse(data)
    builder = DocumentBuilder(limits.max_characters)
    subject = _header(message, "Subject")
    builder.add("heading", subject, 1)
    shown = [(header, _header(message, header)) for header in HEADERS]
    builder.add("paragraph", "\n".join(f"{header}: {value}" for header, value in shown if value))
    found = [part for part in _parts(message) if not _is_attached(part)]
    html = next((part for part in found if part.get_content_type() == "text/html"), None)
    before = builder.last_text
    if html is not None:
        add_fragment(builder, repair_text(_text(html)), limits)
    if builder.last_text == before:
        if any(part.get_content_type() == "text/rtf" for part in found):
            builder.note("its text is there as RTF alone, which is not read: save it as .eml")
        for part in found:
            if part.get_content_type() == "text/plain":
                for paragraph in tidy_lines(repair_text(_text(part))).split("\n\n"):
                    builder.add("paragraph", paragraph)
    return builder.build(subject or PurePosixPath(name).stem, MEDIA_TYPE)


def attachments(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the attachments of an e-mail with their names; e-mails that were forwarded as a whole are ``.eml``.

    Pictures that stand within the text are left out.

    Raises:
        UnreadableDocument: it is no e-mail.
    """
    used: set[str] = set()
    for part in _parts(_parse(data)):
        if not _is_attached(part) or (part.get_content_maintype() == "image" and part.get("Content-ID")):
            continue
        kind = part.get_content_type()
        inner = part.get_payload() if kind == "message/rfc822" else None
        if isinstance(inner, list):
            content = b"".join(each.as_bytes() for each in inner[:1] if isinstance(each, Message))
        else:
            content = bytes(part.get_payload(decode=True) or b"")
        yield _unique(_file_name(part) or f"attachment{EXTENSIONS.get(kind, '')}", used), content


def messages(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the e-mails of a mailbox (mbox), named by their subject and a hash, so that a name stays when others come.

    Raises:
        UnreadableDocument: it is no mailbox.
    """
    if not data.startswith(b"From "):
        raise UnreadableDocument("it is no mailbox in the mbox format: export it as mbox, or as single .eml files")
    used: set[str] = set()
    starts = [match.span() for match in _SEPARATOR.finditer(data)]
    for (_, start), (end, _) in zip(starts, [*starts[1:], (len(data), 0)], strict=True):
        content = _ESCAPED.sub(rb"\1", data[start:end])
        try:
            subject = _header(_parse(content), "Subject")
        except UnreadableDocument:
            subject = ""
        words = single_spaced(re.sub(r"[^\w.,() -]+", " ", subject))[:LONGEST_NAME].strip(" .")
        yield _unique(f"{words} {short_id(content.hex())[:8]}.eml".lstrip(), used), content


def _parse(data: bytes) -> Message[Any, Any]:
    if data.startswith(OLE):
        from doyen.ingestion.readers.outlook import as_internet_message

        return as_internet_message(data)
    if not _HEADER.match(data.lstrip(b"\xef\xbb\xbf\r\n")):
        raise UnreadableDocument("it is no e-mail (it does not begin with headers): export it again")
    try:
        message: EmailMessage = message_from_bytes(data, policy=policy.default)
        list(_parts(message))
    except DAMAGED as error:
        raise UnreadableDocument(f"it is a damaged e-mail ({error}): export it again") from error
    if not message.keys():
        raise UnreadableDocument("it is no e-mail (it has no headers): export it again")
    return message


def _parts(message: Message[Any, Any]) -> Iterator[Message[Any, Any]]:
    """Yield the parts that hold content; a forwarded e-mail is one part. Alternatives come in the order of the message."""
    waiting = [message]
    while waiting:
        part = waiting.pop()
        payload = part.get_payload()
        if part.get_content_type() != "message/rfc822" and part.is_multipart() and isinstance(payload, list):
            waiting += [each for each in reversed(payload) if isinstance(each, Message)]
        else:
            yield part


def _is_attached(part: Message[Any, Any]) -> bool:
    if part.get_content_type() == "message/rfc822" or _file_name(part):
        return True
    return part.get_content_maintype() != "text" or _disposition(part).startswith("attachment")


def _disposition(part: Message[Any, Any]) -> str:
    return _raw(part, "Content-Disposition").lower().strip()


def _file_name(part: Message[Any, Any]) -> str:
    try:
        name = part.get_filename() or ""
    except DAMAGED:  # the standard library's parser of headers fails on some damaged ones
        return ""
    return repair_text(str(name)).replace("\\", "/").rsplit("/", 1)[-1].strip().lstrip(".")


def _header(message: Message[Any, Any], name: str) -> str:
    return single_spaced(repair_text(_raw(message, name)))[:LONGEST_HEADER]


def _raw(message: Message[Any, Any], name: str) -> str:
    try:
        return str(message.get(name) or "")
    except DAMAGED:
        raw = next((value for key, value in message.raw_items() if key.lower() == name.lower()), "")
        return str(raw)


def _text(part: Message[Any, Any]) -> str:
    """Return the text of a part; an unknown encoding is taken for UTF-8."""
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    try:
        return content.decode(part.get_content_charset() or "utf-8")
    except (LookupError, UnicodeDecodeError):
        return content.decode("utf-8", errors="replace")


def _unique(name: str, used: set[str]) -> str:
    path, number, unique = PurePosixPath(name), 1, name
    while unique in used:
        number += 1
        unique = f"{path.stem} ({number}){path.suffix}"
    used.add(unique)
    return unique
