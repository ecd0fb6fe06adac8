"""How long it takes to push 5,000 tasks to a real Label Studio server and to pull when 10 of them have changed.

The server runs on a copy of the test template, in memory where the machine has /dev/shm. Claims: the push takes under
30 s, the pull under 5 s.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.label_studio import LabelStudioServer, is_installed, running_server

from doyen.annotation import create_project, project_status, prompt_tasks, pull, push
from doyen.core.store import Store, open_store
from doyen.core.store.schema import AnnotationProjectRow
from doyen.core.workspace import Workspace, create_workspace

NAME = "speed"
PUSH_LIMIT_S, PULL_LIMIT_S = 30.0, 5.0


def main() -> None:
    """Measure, print one JSON document, and fail where a claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--changed", type=int, default=10)
    arguments = parser.parse_args()
    if not is_installed():
        raise SystemExit("Label Studio is not installed: run `make test` once, or set DOYEN_LABEL_STUDIO_ENV")
    with running_server() as server, tempfile.TemporaryDirectory() as folder:
        workspace = make_workspace(Path(folder), server)
        store = open_store(workspace)
        figures = measure(workspace, store, server, arguments.tasks, arguments.changed)
        store.close()
    print(json.dumps(figures, indent=2))
    if figures["push_s"] > PUSH_LIMIT_S or figures["pull_changed_s"] > PULL_LIMIT_S:
        raise SystemExit(f"slower than claimed: {PUSH_LIMIT_S:g} s for the push, {PULL_LIMIT_S:g} s for the pull")


def make_workspace(folder: Path, server: LabelStudioServer) -> Workspace:
    """Return a workspace whose settings name the server."""
    workspace = create_workspace(folder / "space", "speed")
    with (workspace.root / "doyen.toml").open("a") as settings:
        token = server.tokens["lead@example.com"]["token"]
        settings.write(f'\n[annotation]\nlabel_studio_url = "{server.url}"\nlabel_studio_api_key = "{token}"\n')
    return workspace


def measure(workspace: Workspace, store: Store, server: LabelStudioServer, tasks: int, changed: int) -> dict[str, float]:
    """Return seconds of each step."""
    create_project(workspace, store, NAME)
    prompt_tasks(store, NAME, [(f"What does notice {number} say about seals?", None) for number in range(tasks)])
    figures: dict[str, float] = {"tasks": tasks, "changed": changed}
    started = time.perf_counter()
    assert push(workspace, store, NAME).sent == tasks
    figures["push_s"] = round(time.perf_counter() - started, 2)
    started = time.perf_counter()
    assert pull(workspace, store, NAME).deleted_tasks == 0
    figures["first_pull_s"] = round(time.perf_counter() - started, 2)
    label(store, server, changed)
    started = time.perf_counter()
    assert pull(workspace, store, NAME).added == changed
    figures["pull_changed_s"] = round(time.perf_counter() - started, 2)
    started = time.perf_counter()
    assert push(workspace, store, NAME).sent == 0
    figures["push_nothing_s"] = round(time.perf_counter() - started, 2)
    assert project_status(store, NAME).tasks == {"labelled": changed, "pushed": tasks - changed}
    return figures


def label(store: Store, server: LabelStudioServer, count: int) -> None:
    """Answer some tasks as an annotator would."""
    ada = server.client("ada@example.com")
    with store.session() as session:
        project = session.get_one(AnnotationProjectRow, NAME).external_id
    for task in ada.tasks.list(project=int(project or 0), page=1, page_size=count).items or []:
        fields = {"prompt": "What does it say?", "response": "Nothing."}
        result = [
            {"id": name, "from_name": name, "to_name": "passage", "type": "textarea", "value": {"text": [text]}}
            for name, text in fields.items()
        ]
        ada.annotations.create(id=task.id, result=result)


if __name__ == "__main__":
    main()
