"""What a reader may spend on one file."""

from __future__ import annotations

from dataclasses import dataclass, replace

from doyen.core.errors import UnreadableDocument
from doyen.ingestion.document import too_long

SECONDS_PER_MB = 10.0
MEMORY_PER_BYTE = 20
FEW_CHARACTERS = 1_000_000
CHARACTERS_PER_BYTE = 50
"""Text that a file of any size may give, and beside it for each of its bytes. Compressed prose gives 4 a byte; column
headings and merged cells, which count in each row, a few dozen. More is small to send and takes hours to index."""


@dataclass(frozen=True)
class Limits:
    """Bounds that keep one bad file from stopping the rest.

    Attributes:
        max_bytes: largest file.
        max_unpacked_bytes: largest content of an archive (DOCX) once unpacked.
        max_pages: longest PDF.
        max_cells: most cells of all tables of a file, merged ones counted in each of their rows.
        max_characters: longest text, repeats of merged cells and column headings included.
        max_seconds, max_memory_bytes: what reading may take, beside a share that grows with the size of the file.
        ocr_languages: what text in pictures is recognised in, Tesseract's names joined by "+"; empty recognises none.
        max_ocr_seconds: what recognising may take beside that.
    """

    max_bytes: int
    max_unpacked_bytes: int
    max_pages: int
    max_cells: int = 5_000_000
    max_characters: int = 200_000_000
    max_seconds: float = 60.0
    max_memory_bytes: int = 2_000_000_000
    ocr_languages: str = ""
    max_ocr_seconds: float = 600.0

    def seconds(self, size: int) -> float:
        """Return the seconds that reading a file of this size may take."""
        return self.max_seconds + SECONDS_PER_MB * size / 1_000_000

    def wall_seconds(self, size: int) -> float:
        """Return the seconds after which reading is stopped; the processor time of the reader itself is ``seconds``."""
        return self.seconds(size) + (self.max_ocr_seconds if self.ocr_languages else 0.0)

    def for_size(self, size: int) -> Limits:
        """Return the limits for a file of this many bytes: its text may be no longer than such a file explains."""
        return replace(self, max_characters=min(self.max_characters, FEW_CHARACTERS + CHARACTERS_PER_BYTE * size))

    def memory_bytes(self, size: int) -> int:
        """Return the address space that reading a file of this size may take."""
        return self.max_memory_bytes + MEMORY_PER_BYTE * size


class CellCount:
    """Counts the cells of a file's tables and their characters: a few bytes can ask for millions of them."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._cells = self._characters = 0

    def add(self, cells: int = 1) -> None:
        """Count cells.

        Raises:
            UnreadableDocument: there are more than the limit.
        """
        self._cells += cells
        if self._cells > self._limits.max_cells:
            raise UnreadableDocument(f"its tables have more than {self._limits.max_cells:,} cells: split it")

    def add_text(self, characters: int) -> None:
        """Count the characters of cells, also where one repeats that above.

        Raises:
            UnreadableDocument: there are more than the limit.
        """
        self._characters += characters
        if self._characters > self._limits.max_characters:
            raise UnreadableDocument(too_long(self._limits.max_characters))
