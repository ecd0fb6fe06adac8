"""Finding the files of a root: which are documents, which are left out and why."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from doyen.ingestion.readers import is_supported
from doyen.platform.core.errors import InputError

TEMPORARY_STARTS = (".", "~")
TEMPORARY_ENDS = ("~", ".tmp", ".part", ".crdownload", ".swp", ".lock")


@dataclass(frozen=True)
class FoundFile:
    """A file that may be a document.

    Attributes:
        relative: its path below the root with forward slashes.
        modified_ns: modification time in nanoseconds since 1970.
    """

    path: Path
    root: str
    relative: str
    size: int
    modified_ns: int


@dataclass
class Findings:
    """What was found below the given paths.

    Attributes:
        folders: roots that were searched whole: what is missing there has been removed.
        unreadable: (path, why) of folders and files that could not be looked at; nothing there counts as removed.
        skipped: (path, reason) of files that are no documents.
    """

    files: list[FoundFile] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)


def find_files(paths: Sequence[Path]) -> Findings:
    """Look for documents in folders and single files.

    Raises:
        InputError: a path does not exist; nothing was read then.
    """
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise InputError(f"{', '.join(missing)} does not exist: check the path, nothing was ingested")
    findings = Findings()
    for path in dict.fromkeys(path.resolve() for path in paths):
        if path.is_dir():
            findings.folders.append(str(path))
            for file, reason in _walk(path, findings):
                _take(findings, path, file, reason)
        else:
            _take(findings, path.parent, path, "" if is_supported(path.name) else _unsupported(path))
    findings.files = list({(file.root, file.relative): file for file in findings.files}.values())
    return findings


def is_temporary(name: str) -> bool:
    """Whether a file or folder is hidden, a lock file or an unfinished download."""
    return name.startswith(TEMPORARY_STARTS) or name.lower().endswith(TEMPORARY_ENDS)


def _walk(root: Path, findings: Findings) -> Iterator[tuple[Path, str]]:
    """Yield (file, reason to skip it or an empty string) in a stable order. Links to folders are not followed."""

    def cannot_list(error: OSError) -> None:
        findings.unreadable.append((str(error.filename), error.strerror or str(error)))

    for folder, names, files in os.walk(root, onerror=cannot_list):
        names[:] = sorted(name for name in names if not is_temporary(name))
        for name in sorted(files):
            if is_temporary(name):
                continue
            path = Path(folder) / name
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                yield path, "a link that leads out of the folder"
            else:
                yield path, "" if is_supported(name) else _unsupported(path)


def _unsupported(path: Path) -> str:
    return f"files of type {path.suffix.lower() or '(none)'} are not read"


def _take(findings: Findings, root: Path, path: Path, reason: str) -> None:
    relative = path.relative_to(root).as_posix()
    if not reason and not relative.isprintable() and _has_surrogates(relative):
        reason = "its name is not valid UTF-8: rename it"
    if reason:
        findings.skipped.append((relative.encode("utf-8", "replace").decode("utf-8"), reason))
        return
    try:
        status = path.stat()
    except OSError as error:
        findings.unreadable.append((str(path), error.strerror or str(error)))
        return
    if not stat.S_ISREG(status.st_mode):
        findings.skipped.append((relative, "it is no regular file"))
        return
    findings.files.append(FoundFile(path, str(root), relative, status.st_size, status.st_mtime_ns))


def _has_surrogates(text: str) -> bool:
    return any(0xD800 <= ord(letter) < 0xE000 for letter in text)
