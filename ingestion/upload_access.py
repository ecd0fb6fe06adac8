"""Who may read what comes new with an upload that says nothing of groups: an archive, or an e-mail with attachments.

uploaded before with groups = hr                      a.zip/new.md → {hr}
groups of its documents set, all to the same          a.zip/new.md → those
groups of its documents set, not all to the same      a.zip/new.md is not taken in: nobody knows its readers
nothing set                                           a.zip/new.md → as the rules say

What was removed and comes back has the groups that it was given, as everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from sqlalchemy import select
from sqlalchemy.orm import Session

from doyen.core.manifest import short_id
from doyen.core.store.document_access import Assigned, groups_of
from doyen.core.store.schema import AccessOrigin, DocumentAccessRow, DocumentRow


def groups_of_new(session: Session, container: str, members: Sequence[str]) -> dict[str, Assigned | None]:
    """Return the groups of the members that are new and do not go by the rules; None for those that nobody can tell of.

    Args:
        container: source of the archive or e-mail. Its own groups are those that it was uploaded with.
        members: sources of what it holds now.
    """
    below = DocumentRow.source.startswith(f"{container}/", autoescape=True)
    known = set(session.scalars(select(DocumentRow.source).where(below)))
    new = [each for each in members if each not in known and _said(session, each) is None]
    groups = {each: _above(session, each, container) for each in new}
    of_known = {_said(session, each) for each in known} if new else set()
    if not any(of_known):
        return {each: assigned for each, assigned in groups.items() if assigned is not None}
    common = next(iter(of_known)) if len(of_known) == 1 else None
    return {each: assigned or common for each, assigned in groups.items()}


def _above(session: Session, member: str, container: str) -> Assigned | None:
    """Return what was said of the nearest archive or e-mail that holds a member."""
    folders = [str(each) for each in PurePosixPath(member).parents]
    within = folders[: folders.index(container) + 1]
    return next((said for each in within if (said := _said(session, each)) is not None), None)


def _said(session: Session, source: str) -> Assigned | None:
    """Return the groups that were set through the API, None where none were."""
    document_id = short_id(source)
    row = session.get(DocumentAccessRow, document_id)
    if row is None or row.origin != AccessOrigin.API:
        return None
    return Assigned(groups_of(session, [document_id])[document_id], AccessOrigin.API)
