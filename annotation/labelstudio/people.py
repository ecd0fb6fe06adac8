"""Who stands behind an annotation: one name for each person, however an export or a server writes it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from doyen.annotation.backend import RemoteAnnotation
from doyen.core.errors import RecordError
from doyen.core.files import write_text_atomic

PEOPLE = "people.json"
"""File beside the projects' folders: user id → e-mail address, written by each pull from a Label Studio server."""
UNNAMED = "user "
"""What the name of a person begins with of whom only the id is known."""
_SAVING = timedelta(milliseconds=5)
"""Label Studio notes creation and change one after the other: times that are so close mean that nothing was changed."""


def read_annotation(raw: Mapping[str, Any], external_id: str, people: Mapping[int, str], updated_at: str) -> RemoteAnnotation:
    """Return one of Label Studio's annotations, of a server or of an export.

    Args:
        people: user id → e-mail address.
    """
    annotator = _person(raw.get("completed_by"), people)
    editor = _person(raw.get("updated_by"), people) if raw.get("updated_by") is not None else annotator
    return RemoteAnnotation(
        external_id=external_id,
        annotator=annotator,
        result=raw.get("result") or [],
        updated_at=updated_at,
        skipped=bool(raw.get("was_cancelled")),
        editor=editor if editor != annotator and _was_changed(raw) else None,
        starred=bool(raw.get("ground_truth")),
    )


def people_named(annotations: Iterable[Mapping[str, Any]]) -> dict[int, str]:
    """Return the e-mail address of each user id that comes with one: in a record of the user, or in ``created_username``."""
    found: dict[int, str] = {}
    for raw in annotations:
        user = raw.get("completed_by")
        if isinstance(user, dict) and isinstance(user.get("id"), int) and user.get("email"):
            found[user["id"]] = str(user["email"])
        elif isinstance(user, int) and isinstance(raw.get("created_username"), str):
            name, _, number = raw["created_username"].rpartition(", ")
            if number == str(user) and "@" in name:
                found[user] = name.split()[-1]
    return found


def read_people(folder: Path) -> dict[int, str]:
    """Return what ``people.json`` says: an object of ids and addresses, or the user list of Label Studio's API.

    Raises:
        RecordError: it is neither.
    """
    path = folder / PEOPLE
    if not path.is_file():
        return {}
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(known, list):
            return {int(user["id"]): str(user["email"]) for user in known}
        return {int(number): str(email) for number, email in known.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(
            f'{path} names nobody ({error}): write {{"6": "lead@example.com"}}, or save the answer of /api/users'
        ) from error


def keep_people(folder: Path, people: Mapping[int, str]) -> None:
    """Add what a server knows to ``people.json``, so that exports of it are understood without the server."""
    known = read_people(folder)
    if people and known != {**known, **people}:
        merged = {str(number): email for number, email in sorted({**known, **people}.items())}
        write_text_atomic(folder / PEOPLE, json.dumps(merged, indent=1, ensure_ascii=False) + "\n")


def _person(user: Any, people: Mapping[int, str]) -> str:
    """Return a person's name: Label Studio writes an id, a record, or (other tools) a name."""
    number = user.get("id") if isinstance(user, dict) else user
    if isinstance(user, dict) and user.get("email"):
        return str(user["email"])
    if isinstance(number, str) and number.removeprefix(UNNAMED).isdecimal():
        number = int(number.removeprefix(UNNAMED))
    if isinstance(number, int):
        return people.get(number) or f"{UNNAMED}{number}"
    return str(number or "unknown")


def _was_changed(raw: Mapping[str, Any]) -> bool:
    """Whether an annotation was changed after it was made; one made in another's name was not."""
    made, changed = _moment(raw.get("created_at")), _moment(raw.get("updated_at"))
    return made is not None and changed is not None and changed - made > _SAVING


def _moment(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
