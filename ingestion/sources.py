"""Finding the files of a root: which are documents, which are left out and why."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from doyen.core.errors import InputError
from doyen.ingestion.readers import is_archive, is_container, is_sidecar, is_supported

TEMPORARY_STARTS = (".", "~")
TEMPORARY_ENDS = ("~", ".tmp", ".part", ".crdownload", ".swp", ".lock")


@dataclass(frozen=True)
class FoundFile:
    """A file that may be a document.

    Attributes:
        path: absolute, without links: what tells one file from another.
        root: the folder that was searched, or the folder of a file that was named, as it was given.
        relative: its path below the root with forward slashes.
        modified_ns: modification time in nanoseconds since 1970.
        named: whether it was named itself and not only its folder.
        content: where its bytes lie, if it is a member of an archive; its path is then below that of the archive.
    """

    path: Path
    root: str
    relative: str
    size: int
    modified_ns: int
    named: bool = False
    content: Path | None = None

    def read_bytes(self) -> bytes:
        """Return the file's content."""
        return (self.content or self.path).read_bytes()


@dataclass
class Findings:
    """What was found below the given paths.

    Attributes:
        files: each document once, however many paths lead to it.
        containers: archives, and e-mails, which are among the files too.
        folders: folders that were searched whole, without links: what is missing there has been removed.
        roots: the same folders as they were given.
        unreadable: (path, why) of folders and files that could not be read; nothing there counts as removed.
        skipped: (path, reason) of unsupported files.
        opened: archives and e-mails whose members are known now: what is not among them has been removed.
        unopened: those, and members, that could not be read; nothing there counts as removed.
    """

    files: list[FoundFile] = field(default_factory=list)
    containers: list[FoundFile] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    opened: list[Path] = field(default_factory=list)
    unopened: list[Path] = field(default_factory=list)


def find_files(paths: Sequence[Path]) -> Findings:
    """Look for documents in folders and single files.

    Raises:
        InputError: a path does not exist; nothing was read then.
    """
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise InputError(f"{', '.join(missing)} does not exist: check the path, nothing was ingested")
    findings = Findings()
    found: list[FoundFile] = []
    for path in dict.fromkeys(Path(os.path.abspath(path)) for path in paths):
        if path.is_dir():
            findings.folders.append(Path(os.path.realpath(path)))
            findings.roots.append(str(path))
            found += _search(path, findings)
        elif not is_read(path.name):
            findings.skipped.append((_readable(path.name), _unsupported(path.name)))
        elif file := _look_at(path, path.parent, findings, named=True):
            found.append(file)
    once = _each_once(found)
    findings.files = [file for file in once if not is_archive(file.path.name)]
    findings.containers = [file for file in once if is_container(file.path.name)]
    return findings


def is_read(name: str) -> bool:
    """Whether files with this name are documents, or may hold some."""
    return is_supported(name) or is_archive(name)


def is_temporary(name: str) -> bool:
    """Whether a file or folder is hidden, a lock file, an unfinished download, or says who may read the one beside it."""
    return name.startswith(TEMPORARY_STARTS) or name.lower().endswith(TEMPORARY_ENDS) or is_sidecar(name)


def _search(root: Path, findings: Findings) -> Iterator[FoundFile]:
    """Yield the documents below a folder in a stable order. Links to folders are not followed."""
    home = Path(os.path.realpath(root))

    def cannot_list(error: OSError) -> None:
        findings.unreadable.append((_readable(str(error.filename)), error.strerror or str(error)))

    for folder, names, files in os.walk(root, onerror=cannot_list):
        names[:] = sorted(name for name in names if not is_temporary(name))
        linked = [name for name in names if os.path.islink(os.path.join(folder, name))]
        for name in sorted([*files, *linked]):
            path = Path(folder) / name
            if is_temporary(name):
                continue
            if path.is_symlink() and (reason := _bad_link(path, home)):
                findings.skipped.append((_readable(path.relative_to(root).as_posix()), reason))
            elif name in linked:
                continue  # a link to a folder that is searched anyway
            elif not is_read(name):
                findings.skipped.append((_readable(path.relative_to(root).as_posix()), _unsupported(name)))
            elif file := _look_at(path, root, findings):
                yield file


def _bad_link(path: Path, home: Path) -> str:
    """Return why a link is not followed, or an empty string."""
    if not Path(os.path.realpath(path)).is_relative_to(home):
        return "a link that leads out of the folder"
    try:
        path.stat()
    except FileNotFoundError:
        return "a link to a file that does not exist"
    except OSError as error:
        return f"a link that cannot be followed ({error.strerror or error})"
    return ""


def _unsupported(name: str) -> str:
    return f"files of type {_readable(Path(name).suffix.lower()) or '(none)'} are not read"


def _look_at(path: Path, root: Path, findings: Findings, *, named: bool = False) -> FoundFile | None:
    """Return what is known of a file without reading it; one that is no document is noted in ``findings``."""
    relative, real = path.relative_to(root).as_posix(), os.path.realpath(path)
    if _readable(real) != real or _readable(str(path)) != str(path):
        findings.skipped.append((_readable(relative), "its path is not valid UTF-8: rename it"))
        return None
    try:
        status = os.stat(real)
    except OSError as error:
        findings.unreadable.append((str(path), error.strerror or str(error)))
        return None
    if not stat.S_ISREG(status.st_mode):
        findings.skipped.append((relative, "it is no regular file"))
        return None
    return FoundFile(Path(real), str(root), relative, status.st_size, status.st_mtime_ns, named)


def _each_once(found: Sequence[FoundFile]) -> list[FoundFile]:
    """Keep one entry for each file: its own name before a link to it, the outermost folder before others."""
    best: dict[Path, FoundFile] = {}
    for file in found:
        other = best.get(file.path)
        if other is None or _order(file) < _order(other):
            best[file.path] = file
    named = {file.path for file in found if file.named}
    return [replace(file, named=file.path in named) for file in best.values()]


def _order(file: FoundFile) -> tuple[bool, bool, int]:
    home = Path(os.path.realpath(file.root))
    return home / file.relative != file.path, file.named, len(home.parts)


def _readable(text: str) -> str:
    """Return a path as text that can be stored and printed: bytes that are not UTF-8 become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")
