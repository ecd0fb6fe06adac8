"""What an ingestion did."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from doyen.core.lineage import StaleReport

LOW_CONFIDENCE = 0.75
"""Of text recognition: pages below are reported as to be compared with their picture."""


@dataclass
class IngestReport:
    """What an ingestion did, by source.

    Attributes:
        added, updated, unchanged, removed: sources.
        missing: sources of documents whose files are gone but that were kept, because they are suspiciously many.
        merged: (source that is gone, source that stays) where a workspace held one file twice.
        duplicates: (source, source that is indexed in its place) of exact duplicates among the added and updated.
        failed: (source, reason) of documents that could not be read; an earlier version stays in the index.
        skipped: (path, reason) of unsupported files.
        regrouped: sources of known documents that other groups may read now.
        unused_folders: folders of ``ingestion.access`` that hold no document.
        notes: (source, sentence) about what of the added and updated documents was left out, such as hidden sheets.
        without_text: (source, numbers from 1) of pages without text among the added and updated: pictures and empty pages.
        recognised: (source, [(number from 1, confidence from 0 to 1)]) of pages read by text recognition (OCR) among them.
        unrecognised: (source, numbers from 1, why) of pages whose text is in pictures and was not recognised.
        stale: annotation tasks whose text went with a changed or removed document.
        n_documents, n_chunks: in the whole workspace afterwards.
    """

    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    merged: list[tuple[str, str]] = field(default_factory=list)
    duplicates: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    regrouped: list[str] = field(default_factory=list)
    unused_folders: list[str] = field(default_factory=list)
    without_text: list[tuple[str, list[int]]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    recognised: list[tuple[str, list[tuple[int, float]]]] = field(default_factory=list)
    unrecognised: list[tuple[str, list[int], str]] = field(default_factory=list)
    stale: StaleReport = field(default_factory=StaleReport)
    n_documents: int = 0
    n_chunks: int = 0

    @property
    def changed(self) -> bool:
        """Whether the store holds something else than before."""
        return bool(self.added or self.updated or self.removed or self.merged)

    def to_json(self) -> dict[str, Any]:
        """Return the report as the command line and the gateway show it."""
        return asdict(self)
