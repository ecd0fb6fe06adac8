"""The reports of a workspace's evaluations: where they lie, what makes one whole, and from when a figure may decide."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, FiniteFloat, ValidationError

from doyen.core.errors import NotFoundError, StorageError, storage_errors
from doyen.core.manifest import short_id

DATA = "report.json"
ENOUGH = 30
"""So many values make a figure that may decide something."""
ALPHA = 0.05
"""A difference is called one where p is below."""


class _Figure(BaseModel):
    mean: FiniteFloat | None
    n: int = 0


class _Mode(BaseModel):
    metrics: dict[str, _Figure]


class _Difference(BaseModel):
    a: str
    b: str
    metric: str
    delta: FiniteFloat | None
    p: FiniteFloat | None
    n: int


class _Manifest(BaseModel):
    created_at: str


class _Questions(BaseModel):
    n: int | None = None


class _Whole(BaseModel):
    """What every reader of a report relies on."""

    manifest: _Manifest
    modes: dict[str, _Mode]
    adapter: str | None = None
    comparisons: list[_Difference] = []
    questions: _Questions = _Questions()


def read_figures(folder: Path) -> dict[str, Any]:
    """Return the report.json of a folder.

    Raises:
        NotFoundError: there is none.
        StorageError: it cannot be read, or is no report.
    """
    path = folder / DATA
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _Whole.model_validate(data)
    except FileNotFoundError as error:
        raise NotFoundError(f"{path} does not exist: run `doyen eval run` first") from error
    except ValidationError as error:
        first = error.errors()[0]
        problem = f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}"
        raise StorageError(f"{path} is not a report ({problem}): run the evaluation again") from error
    except (OSError, ValueError) as error:
        raise StorageError(f"{path} cannot be read ({error}): run the evaluation again") from error
    return data


def report_folders(reports: Path) -> dict[str, Path]:
    """Return the folders of a workspace's reports by name; they may be links to where ``--out`` put them."""
    found = reports.glob(f"*/{DATA}") if reports.is_dir() else ()
    return {path.parent.name: path.parent for path in found if not path.parent.name.startswith(".")}


def register_report(reports: Path, folder: Path) -> Path:
    """Let a report that lies elsewhere be found among the workspace's, by a link of its name; again changes nothing.

    A link within the workspace is relative and survives its move; a second folder of the same name gets a longer one.

    Args:
        reports: the workspace's folder of reports.

    Returns:
        The report's place there.
    """
    folder, home = folder.resolve(), reports.resolve()
    if folder.parent == home:
        return reports / folder.name
    name = folder.name.lstrip(".") or "report"
    with storage_errors("registering the report"):
        reports.mkdir(parents=True, exist_ok=True)
        for link in (reports / name, reports / f"{name}-{short_id(str(folder))[:8]}"):
            if link.is_symlink() and not link.exists():
                link.unlink()
            if not link.exists():
                inside = folder.is_relative_to(home.parents[1])
                link.symlink_to(os.path.relpath(folder, home) if inside else folder, target_is_directory=True)
            if link.resolve() == folder:
                return link
    raise StorageError(f"{folder} cannot be registered as {link}, which is something else: move that away")
