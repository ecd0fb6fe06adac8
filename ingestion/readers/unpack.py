"""Archives, mailboxes and e-mails to the files in them, each a document of its own, within limits and whatever the names say.

Members are written under numbers into a folder that the caller gives; their names are only text. An archive within an
archive, and an attachment of an e-mail within one, is opened too: ``reports.zip/2024/mail.eml/offer.pdf``.
"""

from __future__ import annotations

import gzip
import io
import re
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from doyen.core.errors import UnreadableDocument
from doyen.ingestion.document import Unpacked
from doyen.ingestion.readers import is_archive, is_container, is_supported, too_large
from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.readers.mail import attachments, messages
from doyen.ingestion.readers.package import DAMAGED

MOST_MEMBERS = 10_000
MOST_DEPTH = 3
"""Archives within archives, the outermost counted."""
FEW_BYTES = 10_000_000
MOST_RATIO = 200
"""An archive may unpack to this many times its size, beside ``FEW_BYTES``. Text packs ten to one, a bomb a thousand to one."""
LONGEST_NAME = 400
PIECE = 1 << 20
HIDDEN = (".", "~", "__MACOSX")
_DRIVE = re.compile(r"[A-Za-z]:")

Entry = tuple[str, Callable[[], bytes] | str]
"""Name of a member, and what reads its bytes or why it is not read."""


class _TooMuch(Exception):
    """The archive holds more than it may."""


def unpack(data: bytes, name: str, limits: Limits, folder: Path) -> Unpacked:
    """Write the members of an archive, or the attachments of an e-mail, into a folder.

    Args:
        data: the archive or e-mail.
        name: its name; the extension says what it is.
        limits: on its size, the size of each member and of all.
        folder: an empty folder.

    Raises:
        UnreadableDocument: it cannot be opened at all.
    """
    if len(data) > limits.max_bytes:
        raise UnreadableDocument(too_large(len(data), limits))
    unpacker = _Unpacker(limits, folder, min(limits.max_unpacked_bytes, FEW_BYTES + MOST_RATIO * len(data)))
    try:
        unpacker.open(data, name, "", 1)
    except _TooMuch as error:
        unpacker.found.failed.append(("", str(error)))
    if is_archive(name) and not unpacker.count:
        raise UnreadableDocument("it holds no files: check that it was packed or fetched whole")
    return unpacker.found


class _Unpacker:
    def __init__(self, limits: Limits, folder: Path, most_bytes: int) -> None:
        self.found = Unpacked()
        self.limits = limits
        self.folder = folder
        self.most_bytes = self.left = most_bytes
        self.count = 0

    def open(self, data: bytes, name: str, prefix: str, depth: int) -> None:
        """Take the members of an archive or e-mail; ``prefix`` stands before their names."""
        seen: set[str] = set()
        try:
            for raw, content in _entries(data, name, self.spend):
                self.count += 1
                if self.count > MOST_MEMBERS:
                    raise _TooMuch(f"it holds more than {MOST_MEMBERS:,} files: split it; the first ones were read")
                inner = _relative(raw)
                shown = prefix + (inner if inner is not None else _printable(raw))
                if inner is None:
                    self._fail(
                        shown, "its name leads out of the archive, or cannot be a path: pack it again under a plain name"
                    )
                elif any(part.startswith(HIDDEN) for part in PurePosixPath(inner).parts):
                    continue
                elif inner in seen:
                    self._fail(shown, "another file of the archive has the same name: pack it again under another name")
                else:
                    seen.add(inner)
                    self._take(inner, shown, content, depth)
        except UnreadableDocument:
            raise
        except DAMAGED as error:
            raise UnreadableDocument(f"it is damaged ({error}): fetch or pack it again") from error

    def spend(self, size: int) -> None:
        """Count unpacked bytes.

        Raises:
            _TooMuch: they are more than the archive may hold.
        """
        self.left -= size
        if self.left < 0:
            raise _TooMuch(
                f"it unpacks to more than {self.most_bytes / 1e6:,.0f} MB, too much for its size or for four times "
                "ingestion.max_file_mb: split it or raise the setting; what came before was read"
            )

    def _take(self, name: str, shown: str, content: Callable[[], bytes] | str, depth: int) -> None:
        inner = is_container(name)
        if not inner and not is_supported(name):
            self.found.skipped.append((shown, f"files of type {PurePosixPath(name).suffix.lower() or '(none)'} are not read"))
            return
        if isinstance(content, str):
            self._fail(shown, content)
            return
        try:
            data = content()
            if len(data) > self.limits.max_bytes:
                self._fail(shown, too_large(len(data), self.limits))
                return
            if not is_archive(name):
                self._write(shown, data)
            if inner and depth < MOST_DEPTH:
                self.open(data, name, f"{shown}/", depth + 1)
            elif is_archive(name):
                raise UnreadableDocument(f"archives are nested more than {MOST_DEPTH} deep: unpack it")
        except UnreadableDocument as error:
            if is_archive(name):  # an e-mail that cannot be read says so when it is
                self._fail(shown, str(error))
        except DAMAGED as error:
            self._fail(shown, f"it is damaged in the archive ({error}): pack it again")

    def _write(self, shown: str, data: bytes) -> None:
        number = str(len(self.found.members))
        (self.folder / number).write_bytes(data)
        self.found.members.append((shown, number))

    def _fail(self, shown: str, reason: str) -> None:
        self.found.failed.append((shown, reason))


def _entries(data: bytes, name: str, spend: Callable[[int], None]) -> Iterator[Entry]:
    lower = name.lower()
    if lower.endswith(".zip"):
        yield from _zip_entries(data, spend)
    elif lower.endswith((".tar", ".tar.gz", ".tgz")):
        yield from _tar_entries(data, spend)
    else:
        for inner, content in messages(data) if lower.endswith(".mbox") else attachments(data):
            spend(len(content))
            yield inner, lambda content=content: content  # type: ignore[misc]


def _zip_entries(data: bytes, spend: Callable[[int], None]) -> Iterator[Entry]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except DAMAGED as error:
        raise UnreadableDocument(f"it is a damaged or cut-off ZIP archive ({error}): fetch or pack it again") from error
    with archive:
        for entry in archive.infolist():
            if entry.is_dir():
                continue
            mode = stat.S_IFMT(entry.external_attr >> 16)
            if mode not in (0, stat.S_IFREG):
                yield entry.filename, "it is a link or a device, no file: pack the file itself"
            elif entry.flag_bits & 1:
                yield entry.filename, "it is encrypted: pack it again without a password"
            else:
                yield entry.filename, lambda entry=entry: _whole(archive.open(entry), spend)  # type: ignore[misc]


def _tar_entries(data: bytes, spend: Callable[[int], None]) -> Iterator[Entry]:
    packed = data.startswith(b"\x1f\x8b")
    source: Any = _Counted(gzip.GzipFile(fileobj=io.BytesIO(data)), spend) if packed else io.BytesIO(data)
    free = (lambda _: None) if packed else spend  # bytes of a packed archive are counted as they come
    try:
        with tarfile.open(fileobj=source, mode="r|") as archive:
            for entry in archive:
                if entry.isdir():
                    continue
                if not entry.isfile():
                    yield entry.name, "it is a link or a device, no file: pack the file itself"
                else:
                    yield entry.name, lambda entry=entry: _whole(archive.extractfile(entry), free)  # type: ignore[misc]
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise UnreadableDocument(f"it is a damaged or cut-off TAR archive ({error}): fetch or pack it again") from error


class _Counted:
    """A stream whose bytes are counted, also those that are passed over."""

    def __init__(self, stream: gzip.GzipFile, spend: Callable[[int], None]) -> None:
        self._stream, self._spend = stream, spend

    def read(self, size: int) -> bytes:
        piece = self._stream.read(min(size, PIECE))
        self._spend(len(piece))
        return piece


def _whole(stream: IO[bytes] | None, spend: Callable[[int], None]) -> bytes:
    pieces = []
    if stream is not None:
        with stream:
            while piece := stream.read(PIECE):
                spend(len(piece))
                pieces.append(piece)
    return b"".join(pieces)


def _relative(raw: str) -> str | None:
    """Return a member's name as a relative path with forward slashes; None where it cannot be one."""
    name = unicodedata.normalize("NFC", raw.replace("\\", "/"))
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or _DRIVE.match(name) or ".." in parts or not parts:
        return None
    path = "/".join(parts)
    return (
        path if len(path) <= LONGEST_NAME and path.isprintable() and not any("\ud800" <= c <= "\udfff" for c in path) else None
    )


def _printable(raw: str) -> str:
    """Return a name that cannot be used, as it can be shown."""
    return "".join(c if c.isprintable() else "?" for c in raw.encode("utf-8", "replace").decode())[:LONGEST_NAME]
