"""Archives and e-mails opened: their members as files that lie in a temporary folder for as long as they are read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from doyen.ingestion.document import Unpacked
from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.readers.process import ReaderProcess
from doyen.ingestion.sources import FoundFile


@contextmanager
def opened(reader: ReaderProcess, data: bytes, name: str, limits: Limits) -> Iterator[tuple[Unpacked, Path]]:
    """Unpack an archive, or the attachments of an e-mail, in the reader's process.

    Yields:
        what was found, and the folder in which the members' files lie until the end of the block.

    Raises:
        UnreadableDocument: it cannot be opened.
    """
    with TemporaryDirectory(prefix="doyen-") as folder:
        yield reader.unpack(data, name, limits, Path(folder)), Path(folder)


def member_source(container: str, name: str) -> str:
    """Return the source of a member: its name below that of the archive or e-mail, which is meant where there is no name."""
    return f"{container}/{name}" if name else container


def member_files(container: FoundFile, found: Unpacked, folder: Path) -> list[FoundFile]:
    """Return the members as files whose path is below that of the archive or e-mail."""
    return [
        FoundFile(
            path=container.path / name,
            root=container.root,
            relative=f"{container.relative}/{name}",
            size=(folder / number).stat().st_size,
            modified_ns=container.modified_ns,
            named=container.named,
            content=folder / number,
        )
        for name, number in found.members
    ]
