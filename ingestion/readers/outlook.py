"""E-mails of Outlook (MSG), turned into Internet messages, so that all else is as with EML.

Such a file is a small file system whose folders (storages) are the message, its recipients, its attachments, and the messages
attached to it; each has a stream of properties ([MS-OXMSG]).
"""

from __future__ import annotations

from collections.abc import Iterator
from email.header import Header
from email.message import Message
from email.mime.base import MIMEBase
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.parser import HeaderParser
from email.utils import format_datetime, formataddr
from typing import Any

from olefile import OleFileIO
from oxmsg.domain import constants as names
from oxmsg.domain.model import UnrecognizedCodePageError, UnsupportedEncodingError
from oxmsg.properties import Properties
from oxmsg.storage import Storage

from doyen.core.errors import UnreadableDocument
from doyen.ingestion.clean import repair_text, single_spaced
from doyen.ingestion.readers.package import DAMAGED

ROOT_HEADER, EMBEDDED_HEADER, PART_HEADER = 32, 24, 8
"""Bytes before the properties of a message that is the file, of an attached one, and of a recipient or attachment."""
EMBEDDED = f"__substg1.0_{names.PID_ATTACH_DATA_BINARY:04X}000D"
"""The storage of an attached message."""
MOST_DEPTH = 5
"""Messages attached to messages, the outermost counted."""
KINDS = {"To": 1, "Cc": 2}
"""Of recipients."""
SHOWN_IN_TEXT = 4
"""Flag of an attachment that stands within the text."""


def as_internet_message(data: bytes) -> Message[Any, Any]:
    """Return an e-mail of Outlook with its usual headers, its text and its attachments.

    A text that is there as RTF alone is an empty part of type text/rtf.

    Raises:
        UnreadableDocument: it is damaged.
    """
    try:
        with OleFileIO(data) as file:
            storage = Storage.from_ole(file)
        return _message(storage, ROOT_HEADER, 1)
    except (*DAMAGED, UnrecognizedCodePageError, UnsupportedEncodingError) as error:
        raise UnreadableDocument(f"it is a damaged e-mail of Outlook ({error}): save it again, or as .eml") from error


def _message(storage: Storage, header_bytes: int, depth: int) -> Message[Any, Any]:
    properties = Properties(storage, header_bytes)
    message: Message[Any, Any] = MIMEMultipart("mixed")
    for name, value in _headers(storage, properties):
        if shown := single_spaced(repair_text(value.replace("\n", " "))):
            message[name] = shown if shown.isascii() else Header(shown, "utf-8")
    for kind, text in _texts(properties):
        message.attach(MIMEText(repair_text(text), kind, "utf-8"))
    for each in storage.iter_attachment_storages():
        message.attach(_attached(each, depth))
    return message


def _headers(storage: Storage, properties: Properties) -> Iterator[tuple[str, str]]:
    """Yield the headers that a server has written, or what Outlook knows where none did, as of a message that was sent."""
    written = HeaderParser().parsestr(_text(properties, names.PID_TRANSPORT_MESSAGE_HEADERS))
    sent = properties.date_prop_value(names.PID_CLIENT_SUBMIT_TIME)
    yield "Subject", _text(properties, names.PID_SUBJECT)
    yield "From", str(written["From"] or _sender(properties))
    for header, kind in KINDS.items():
        yield header, str(written[header] or ", ".join(_recipients(storage, kind)))
    yield "Date", str(written["Date"] or (format_datetime(sent) if sent else ""))


def _sender(properties: Properties) -> str:
    name = _text(properties, names.PID_SENDER_NAME) or _text(properties, names.PID_SENT_REPRESENTING_NAME)
    return _address(name, [names.PID_SENDER_SMTP_ADDRESS, names.PID_SENDER_EMAIL_ADDRESS], properties)


def _recipients(storage: Storage, kind: int) -> Iterator[str]:
    for each in storage.iter_recipient_storages():
        properties = Properties(each, PART_HEADER)
        if properties.int_prop_value(names.PID_RECIPIENT_TYPE) == kind:
            name = _text(properties, names.PID_DISPLAY_NAME)
            yield _address(name, [names.PID_SMTP_ADDRESS, names.PID_EMAIL_ADDRESS], properties)


def _address(name: str, places: list[int], properties: Properties) -> str:
    """Return a person; addresses within an Exchange server are paths that tell a reader nothing."""
    found = next((address for place in places if "@" in (address := _text(properties, place))), "")
    if not found or name in ("", found):
        return found or name
    return formataddr((name, found)) if name.isascii() else f"{name} <{found}>"


def _texts(properties: Properties) -> Iterator[tuple[str, str]]:
    plain, html = _text(properties, names.PID_BODY), _text(properties, names.PID_BODY_HTML)
    if packed := properties.binary_prop_value(names.PID_HTML):
        html = packed.decode(properties.body_encoding, errors="replace")
    if plain:
        yield "plain", plain
    if html:
        yield "html", html
    if not plain and not html and properties.binary_prop_value(names.PID_RTF_COMPRESSED):
        yield "rtf", ""


def _attached(storage: Storage, depth: int) -> Message[Any, Any]:
    properties = Properties(storage, PART_HEADER)
    name = _text(properties, names.PID_ATTACH_LONG_FILENAME) or _text(properties, names.PID_ATTACH_FILENAME)
    embedded = next((each for each in storage.storages if each.name == EMBEDDED), None)
    if embedded is not None and embedded.streams:
        if depth >= MOST_DEPTH:
            raise ValueError(f"e-mails are attached to e-mails more than {MOST_DEPTH} deep")
        return MIMEMessage(_message(embedded, EMBEDDED_HEADER, depth + 1))
    part = MIMEBase("application", "octet-stream")
    if (properties.int_prop_value(names.PID_ATTACH_FLAGS) or 0) & SHOWN_IN_TEXT:
        part = MIMEBase("image", "x-in-text")
        part["Content-ID"] = _text(properties, names.PID_ATTACH_CONTENT_ID) or "in-text"
    part.set_payload(properties.binary_prop_value(names.PID_ATTACH_DATA_BINARY) or b"")
    part.add_header("Content-Disposition", "attachment", filename=single_spaced(repair_text(name)))
    return part


def _text(properties: Properties, name: int) -> str:
    return (properties.str_prop_value(name) or "").rstrip("\x00")
