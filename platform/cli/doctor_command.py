"""``doyen doctor``: is everything in order?"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from doyen.core.redaction import redact_values
from doyen.platform.checks import Check, check_packaged_models, check_workspace
from doyen.platform.cli.session import DebugOption, JsonOption, WorkspaceOption, emit, open_session

if TYPE_CHECKING:
    from doyen.platform.app import Doyen


def doctor(
    models: Annotated[
        bool, typer.Option("--models", help="Only verify the packaged models, read again byte by byte; needs no workspace.")
    ] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Make what is damaged of the index again from the store.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Check settings, models, database, unfinished purges, chunk offsets, index, adapters, disk and the Label Studio server."""
    if models:
        checks = check_packaged_models()
        emit([asdict(check) for check in checks], _format(checks), as_json=as_json)
    else:
        with open_session(workspace, as_json=as_json, debug=debug) as session:
            if repair:
                repair_index(session.doyen)
            checks = check_workspace(session.doyen)
            settings = redact_values(json.loads(session.doyen.workspace.settings.model_dump_json()))
            shown = f"{_format(checks)}\n\nSettings in force:\n{json.dumps(settings, indent=2)}"
            session.emit({"checks": [asdict(check) for check in checks], "settings": settings}, shown)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def repair_index(doyen: Doyen) -> None:
    """Write what is damaged of the index anew; the texts come from the store.

    Raises:
        Busy: another process is changing the workspace.
    """
    from doyen.retrieval.index import update_index

    with doyen.workspace.lock("the repair"):
        update_index(doyen.workspace, doyen.store, reporter=doyen.reporter, thorough=True)


def _format(checks: list[Check]) -> str:
    return "\n".join(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.detail}" for check in checks)
