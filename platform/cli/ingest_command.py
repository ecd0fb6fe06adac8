"""``doyen ingest``: documents in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from doyen.core.errors import InputError, StateError
from doyen.platform.cli.session import CliSession, with_session

if TYPE_CHECKING:
    from doyen.ingestion.ingest_report import IngestReport


@with_session
def ingest(
    session: CliSession,
    paths: Annotated[
        list[str],
        typer.Argument(help="Folders or files, whose sources are named relative to each folder; URLs of pages or sitemaps."),
    ],
    allow_removals: Annotated[
        bool, typer.Option("--allow-removals", help="Remove missing documents also where most of a folder is gone.")
    ] = False,
    restore: Annotated[bool, typer.Option("--restore", help="Read also what `doyen remove` has removed.")] = False,
) -> None:
    """Read documents, cut them into chunks and update the index. Only what changed is done again."""
    report = session.doyen.ingest(paths, allow_removals=allow_removals, restore=restore)
    session.emit(report.to_json(), describe(report))
    if report.failed and not (report.added or report.updated or report.unchanged):
        raise InputError(f"none of {len(report.failed)} document(s) could be read: see the reasons above")
    if report.missing:
        raise StateError(
            f"{len(report.missing)} documents are missing from their folders and were kept: check that the folders are "
            "mounted and whole, or run this again with --allow-removals"
        )


def describe(report: IngestReport) -> str:
    """Return what an ingestion did: counts, and every document that could not be taken with its reason."""
    counts: dict[str, Sequence[object]] = {
        "new": report.added,
        "changed": report.updated,
        "unchanged": report.unchanged,
        "removed": report.removed,
        "missing but kept": report.missing,
        "merged": report.merged,
        "exact duplicates": report.duplicates,
        "failed": report.failed,
        "skipped": report.skipped,
        "with other groups": report.regrouped,
    }
    shown = ", ".join(f"{len(items)} {name}" for name, items in counts.items() if items) or "nothing to do"
    lines = [f"{shown}; the workspace holds {report.n_documents} documents in {report.n_chunks} chunks"]
    lines += [f"  missing but kept: {source}" for source in report.missing]
    lines += [f"  merged: {gone} is the same file as {stays}" for gone, stays in report.merged]
    lines += [f"  failed: {source}: {reason}" for source, reason in report.failed]
    lines += [f"  skipped: {source}: {reason}" for source, reason in report.skipped]
    lines += [f"  with other groups: {source}" for source in report.regrouped]
    lines += [
        f"  no document: folder {folder!r} of [[ingestion.access]]; check its name, documents outside are open to everyone"
        for folder in report.unused_folders
    ]
    lines += [f"  note: {source}: {note}" for source, note in report.notes]
    lines += _pictured(report)
    lines += report.stale.describe()
    return "\n".join(lines)


def _pictured(report: IngestReport) -> Iterator[str]:
    """Yield a line for the pages of each document that are pictures: recognised, and how surely, or not, and why."""
    from doyen.ingestion.ingest_report import LOW_CONFIDENCE

    pictured = {source: set(pages) for source, pages, _ in report.unrecognised}
    for source, pages, reason in report.unrecognised:
        yield f"  not recognised: {source}, page(s) {', '.join(map(str, pages))}, pictures of text: {reason}"
    for source, pages in report.without_text:
        if rest := [str(page) for page in pages if page not in pictured.get(source, ())]:
            yield f"  no text: {source}, page(s) {', '.join(rest)}"
    for source, recognised in report.recognised:
        shown = ", ".join(f"{page} ({confidence:.0%})" for page, confidence in recognised)
        low = any(confidence < LOW_CONFIDENCE for _, confidence in recognised)
        check = f"; below {LOW_CONFIDENCE:.0%} the text may be wrong, compare it with the page" if low else ""
        yield f"  recognised: {source}, page(s) {shown}{check}"
