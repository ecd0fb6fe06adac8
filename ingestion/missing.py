"""Documents whose files are gone: which they are, and whether so many may go at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from doyen.core.store.schema import DocumentRow
from doyen.ingestion.sources import Findings

FEW = 3
"""So many documents of a folder may go at once whatever share they are, unless nothing else is left of it."""


def find_missing(findings: Findings, known: Mapping[str, DocumentRow], present: Iterable[str]) -> list[DocumentRow]:
    """Return the documents of the searched folders whose files are gone, by source.

    What cannot be read is not gone, nor is a file that is there but only found when it is named (in a hidden folder).
    """
    here = set(present)
    return [row for source, row in sorted(known.items()) if source not in here and row.path and _is_gone(row, findings)]


def too_many(
    missing: Iterable[DocumentRow], findings: Findings, known: Mapping[str, DocumentRow], most: float
) -> list[DocumentRow]:
    """Return those of the missing documents that should not be removed unasked: too large a share of their folder.

    Files that were only moved do not count, since their content is still there; members of an archive go with what it holds.

    Args:
        most: share of a folder's documents that may go.
    """
    missing = [row for row in missing if not _is_member(row, findings)]
    gone = {row.source for row in missing}
    left = {row.version for row in known.values() if row.source not in gone}
    held: set[str] = set()
    for folder, root in zip(findings.folders, findings.roots, strict=True):
        ours = [row for row in known.values() if row.path and _belongs(row, folder, root)]
        lost = [row for row in missing if row.version not in left and _belongs(row, folder, root)]
        emptied = len(lost) == len(ours) > 1
        if most < 1 and (emptied or (len(lost) > FEW and len(lost) > most * len(ours))):
            held.update(row.source for row in lost)
    return [row for row in missing if row.source in held]


def _belongs(row: DocumentRow, folder: Path, root: str) -> bool:
    return row.root == root or Path(row.path).is_relative_to(folder)


def _is_gone(row: DocumentRow, findings: Findings) -> bool:
    path = Path(row.path)
    if any(path.is_relative_to(os.path.realpath(place)) for place, _ in findings.unreadable):
        return False
    if any(path.is_relative_to(place) for place in findings.unopened):
        return False
    if _is_member(row, findings):
        return True
    if any(path.is_relative_to(folder) for folder in findings.folders):
        return os.path.realpath(path) != row.path or not path.is_file()
    return row.root in findings.roots


def _is_member(row: DocumentRow, findings: Findings) -> bool:
    """Whether a document is, or was, in an archive or e-mail that was opened; an e-mail is no member of itself."""
    path = Path(row.path)
    return any(path != place and path.is_relative_to(place) for place in findings.opened)
