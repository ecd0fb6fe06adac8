"""Versions of labels in the store: one is added for each changed result, and none is ever changed or deleted."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from doyen.annotation.labelstudio.regions import Result
from doyen.core.manifest import fingerprint, now, short_id
from doyen.core.store.schema import AnnotationRow


def store_version(
    session: Session,
    task_uid: str,
    external_id: str,
    annotator: str,
    result: Result,
    created_at: str,
    known: list[AnnotationRow] | None = None,
) -> str:
    """Keep one version of one annotation and make it the current one.

    Args:
        known: the task's annotations, where the caller has read them; a new version is added to the list.

    Returns:
        "added" (first version), "updated" (an older version was current, or none was) or "unchanged".
    """
    revision = fingerprint(result)[:16]
    versions = [row for row in _versions(session, task_uid, known) if row.external_id == external_id]
    same = next((version for version in versions if version.revision == revision), None)
    if same is not None and same.current:
        return "unchanged"
    for version in versions:
        version.current = False
    if same is not None:
        same.current = True
        return "updated"
    row = AnnotationRow(
        annotation_id=short_id(task_uid, external_id, revision),
        task_uid=task_uid,
        external_id=external_id,
        revision=revision,
        annotator=annotator,
        result=result,
        current=True,
        created_at=created_at,
        pulled_at=now(),
    )
    session.add(row)
    if known is not None:
        known.append(row)
    return "updated" if versions else "added"


def _versions(session: Session, task_uid: str, known: list[AnnotationRow] | None) -> Sequence[AnnotationRow]:
    if known is not None:
        return known
    return session.scalars(select(AnnotationRow).where(AnnotationRow.task_uid == task_uid)).all()
