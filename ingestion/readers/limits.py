"""What a reader may spend on one file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds that keep one bad file from stopping the rest.

    Attributes:
        max_bytes: largest file.
        max_unpacked_bytes: largest content of an archive (DOCX) once unpacked.
        max_pages: longest PDF.
    """

    max_bytes: int
    max_unpacked_bytes: int
    max_pages: int
