"""What a reader may spend on one file."""

from __future__ import annotations

from dataclasses import dataclass

from doyen.platform.core.errors import UnreadableDocument


@dataclass(frozen=True)
class Limits:
    """Bounds that keep one bad file from stopping the rest.

    Attributes:
        max_bytes: largest file.
        max_unpacked_bytes: largest content of an archive (DOCX) once unpacked.
        max_pages: longest PDF.
        max_cells: most cells of all tables of a file, merged ones counted in each of their rows.
        max_characters: longest text.
    """

    max_bytes: int
    max_unpacked_bytes: int
    max_pages: int
    max_cells: int = 5_000_000
    max_characters: int = 200_000_000


class CellCount:
    """Counts the cells of a file's tables and their characters: a few bytes can ask for millions of them."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._cells = self._characters = 0

    def add(self) -> None:
        """Count a cell.

        Raises:
            UnreadableDocument: there are more than the limit.
        """
        self._cells += 1
        if self._cells > self._limits.max_cells:
            raise UnreadableDocument(f"its tables have more than {self._limits.max_cells:,} cells: split it")

    def add_text(self, text: str) -> None:
        """Count the characters of a cell, also where it repeats one above.

        Raises:
            UnreadableDocument: there are more than the limit.
        """
        self._characters += len(text)
        if self._characters > self._limits.max_characters:
            raise UnreadableDocument(f"its text has more than {self._limits.max_characters:,} characters: split it")
