"""Which groups a document belongs to: folders named in the settings, and a file beside the document.

    [[ingestion.access]]              hr/salaries.pdf                → {hr, board}
    folder = "hr"                     hr/menu.md                     → {}          the nearest folder counts
    groups = ["hr", "board"]          hr/menu.md.access.toml: groups = []

What the API says comes before the file beside the document, and that before the folders.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pydantic import ValidationError
from sqlalchemy import select

from doyen.core.errors import UnreadableDocument
from doyen.core.settings import FolderAccess, Group, Section
from doyen.core.store import Store
from doyen.core.store.document_access import Assigned, assign_groups
from doyen.core.store.schema import AccessOrigin, DocumentAccessRow, DocumentRow
from doyen.core.workspace import Workspace
from doyen.ingestion.readers import SIDECAR_END

MOST_SIDECAR_BYTES = 64_000


class Sidecar(Section):
    """The content of a file beside a document."""

    groups: tuple[Group, ...]


class AccessRules:
    """Says which groups a document gets when it is ingested."""

    def __init__(self, workspace: Workspace, root: Path | None = None) -> None:
        """Read the rules of a workspace.

        Args:
            root: what its folders are relative to; None takes the workspace's own.
        """
        place = root or workspace.root
        self._folders = [(rule, Path(os.path.realpath(place / rule.folder))) for rule in workspace.settings.ingestion.access]

    def groups_of(self, source: str, path: str) -> Assigned:
        """Return the groups of a document; where its folder may not be entered, as its rule says.

        Args:
            path: of its file, absolute and without links; below that of an archive that holds it; empty for an upload.

        Raises:
            UnreadableDocument: the file beside it cannot be understood, so nobody knows who may read the document.
        """
        if path and not _is_closed(path) and (beside := read_sidecar(_file_of(path))) is not None:
            return Assigned(frozenset(beside.groups), AccessOrigin.SIDECAR)
        nearest: tuple[int, FolderAccess] | None = None
        for rule, folder in self._folders:
            depth = _below(rule, folder, source, path)
            if depth is not None and (nearest is None or depth <= nearest[0]):
                nearest = depth, rule
        return Assigned(frozenset(nearest[1].groups)) if nearest else Assigned()

    def unused(self, documents: Sequence[tuple[str, str]]) -> list[str]:
        """Return the folders below which none of the documents, given by source and path, lies."""
        return [
            rule.folder
            for rule, folder in self._folders
            if all(_below(rule, folder, source, path) is None for source, path in documents)
        ]


def read_sidecar(path: Path) -> Sidecar | None:
    """Return what the file beside a document says, None where there is none.

    Raises:
        UnreadableDocument: it cannot be understood.
    """
    beside = path.with_name(path.name + SIDECAR_END)
    try:
        with beside.open("rb") as file:
            data = file.read(MOST_SIDECAR_BYTES + 1)
        if len(data) > MOST_SIDECAR_BYTES:
            raise ValueError(f"it has more than {MOST_SIDECAR_BYTES:,} bytes")
        return Sidecar.model_validate(tomllib.loads(data.decode("utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise UnreadableDocument(
            f'{beside.name} beside it does not say who may read it ({why}): write groups = ["…"] into it, or remove it'
        ) from error


@dataclass
class AppliedRules:
    """What applying the rules to all documents did.

    Attributes:
        changed: sources of the documents that have other groups now.
        failed: (source, reason) of documents that keep theirs, because the file beside them cannot be understood.
        unused: folders of the settings that hold no document: one may be misspelt, and what it meant be open to everyone.
    """

    changed: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)


def apply_rules(workspace: Workspace, store: Store) -> AppliedRules:
    """Give all documents the groups that the settings, and the files beside them, say now.

    Groups that were set through the API stay, and so do those of a file beside a document while the document's file cannot be
    found: its folder may just not be mounted.
    """
    rules, report = AccessRules(workspace), AppliedRules()
    with store.session() as session:
        origins = dict(session.execute(select(DocumentAccessRow.document_id, DocumentAccessRow.origin)).tuples().all())
        documents = session.execute(select(DocumentRow.document_id, DocumentRow.source, DocumentRow.path)).tuples().all()
        for document_id, source, path in documents:
            origin = origins.get(document_id)
            if origin == AccessOrigin.API or (origin == AccessOrigin.SIDECAR and not os.path.isfile(_file_of(path))):
                continue
            try:
                assigned = rules.groups_of(source, path)
            except UnreadableDocument as error:
                report.failed.append((source, str(error)))
                continue
            if assign_groups(session, document_id, assigned):
                report.changed.append(source)
        report.unused = rules.unused([(source, path) for _, source, path in documents])
    return report


def _is_closed(path: str) -> bool:
    """Whether a folder above a document's file may not be entered, so that nothing beside it can be read."""
    try:
        os.stat(path)
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _file_of(path: str) -> Path:
    """Return the file on disk that holds a document: the archive or e-mail, for what lies in one."""
    place = Path(path)
    return next((each for each in (place, *place.parents) if os.path.isfile(each)), place)


def _below(rule: FolderAccess, folder: Path, source: str, path: str) -> int | None:
    """Return how many levels below the rule's folder a document lies, None where it does not."""
    depths = []
    if path and (inside := _relative(Path(path).parts, folder.parts)) is not None:
        depths.append(inside)
    if (
        not Path(rule.folder).is_absolute()
        and (inside := _relative(PurePosixPath(source).parts, PurePosixPath(rule.folder).parts)) is not None
    ):
        depths.append(inside)
    return min(depths, default=None)


def _relative(parts: Sequence[str], folder: Sequence[str]) -> int | None:
    inside = len(parts) > len(folder) and tuple(parts[: len(folder)]) == tuple(folder)
    return len(parts) - len(folder) if inside else None
