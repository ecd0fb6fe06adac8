"""``doyen backup``, ``doyen verify`` and ``doyen restore``: a workspace in one file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doyen.platform.cli.session import CliSession, DebugOption, JsonOption, emit, with_session

if TYPE_CHECKING:
    from doyen.platform.backup.archive_format import BackupManifest

FileArgument = Annotated[Path, typer.Argument(help="An archive that `doyen backup` wrote.")]


@with_session
def backup(
    session: CliSession,
    file: Annotated[Path, typer.Argument(help="The archive, such as law.doyen.zip; an earlier one is replaced.")],
    index: Annotated[bool, typer.Option("--index/--no-index", help="Take the index in; without, it can be made again.")] = True,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for another writer, such as an ingestion.")] = 60,
) -> None:
    """Write everything but secrets into one archive, also while `doyen serve` runs."""
    report = session.doyen.backup(file, index=index, wait_s=wait)
    shown = _shown(report.manifest)
    text = [f"{report.file}: {report.size:,} bytes", *_describe(report.manifest), f"Next: doyen verify {report.file}"]
    session.emit({"file": str(report.file), "bytes": report.size, **shown}, "\n".join(text))


def verify(file: FileArgument, as_json: JsonOption = False, debug: DebugOption = False) -> None:
    """Read a backup byte by byte: is it whole, and can this version restore it?"""
    from doyen.core.progress import Terminal
    from doyen.platform.backup.archive_format import open_archive

    _set_up(as_json, debug)
    with open_archive(file) as archive:
        archive.check_schema()
        archive.verify(Terminal())
        manifest = archive.manifest
    text = [f"{file} is whole: {len(manifest.files):,} files, {manifest.size:,} bytes", *_describe(manifest)]
    emit({"file": str(file), "whole": True, **_shown(manifest)}, "\n".join(text), as_json=as_json)


def restore(
    file: FileArgument,
    folder: Annotated[Path, typer.Argument(help="Of the new workspace; it must not exist, or be empty.")],
    moved: Annotated[
        list[str] | None, typer.Option(help="OLD=NEW: the documents that were read from the folder OLD are now in NEW.")
    ] = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Make a workspace from a backup; its database is brought to this version's schema."""
    from doyen.core.progress import Terminal
    from doyen.platform.backup.restore import restore_backup

    _set_up(as_json, debug)
    report = restore_backup(file, folder, moved_folders=_folders(moved or []), reporter=Terminal())
    text = [f"Workspace restored in {report.folder}", *_describe(report.manifest)]
    if report.moved:
        text.append(f"{report.moved} document(s) are looked for in their new folders: run `doyen ingest` on these")
    if report.pinned:
        text.append(f"{len(report.pinned)} document(s) keep the groups they had: folders of ingestion.access are others here")
    if report.key:
        text.append(f"The gateway's key was left out. This is a new one with all rights; it is stored nowhere:\n{report.key}")
    index = "doctor" if report.manifest.holds.get("index") else "doctor --repair"
    text.append(f"Next: doyen {index} --workspace {report.folder}")
    shown = {
        "workspace": str(report.folder),
        "moved": report.moved,
        "pinned": report.pinned,
        "key": report.key,
        **_shown(report.manifest),
    }
    emit(shown, "\n".join(text), as_json=as_json)


def _folders(moved: list[str]) -> dict[str, Path]:
    from doyen.core.errors import InputError

    if wrong := next((each for each in moved if not all(each.partition("="))), None):
        raise InputError(f"--moved {wrong!r} does not name two folders: write OLD=NEW")
    return {each.partition("=")[0]: Path(each.partition("=")[2]) for each in moved}


def _set_up(as_json: bool, debug: bool) -> None:
    from doyen.core.logs import configure_logging

    configure_logging(as_json=as_json, debug=debug)


def _shown(manifest: BackupManifest) -> dict[str, Any]:
    return manifest.model_dump(exclude={"files"})


def _describe(manifest: BackupManifest) -> list[str]:
    """Return what a backup holds, and what it does not."""
    held = ", ".join(f"{count} {noun}" for noun, count in manifest.holds.items() if noun != "index")
    index = "with its index" if manifest.holds.get("index") else "without its index"
    lines = [f"workspace {manifest.name!r} of {manifest.created_at}, {index}: {held}"]
    lines += [f"  not in it: {each}" for each in manifest.left_out]
    lines += [f"  set again after a restore: {name}" for name in manifest.removed_settings]
    return lines
