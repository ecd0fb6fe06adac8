"""``Doyen.annotate``: the whole way round from Python, in files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doyen import Doyen
from doyen.annotation import TaskDescription, read_labels
from doyen.core.errors import InputError, NotFoundError
from doyen.core.records import Pair
from doyen.core.store import Store
from doyen.core.workspace import Workspace

MOODS = TaskDescription(type="sentiment")


@pytest.fixture
def doyen(workspace: Workspace, filled: Store) -> Doyen:
    return Doyen(workspace, store=filled)


def label_all(workspace: Workspace, project: str, *people: str) -> None:
    """Have people accept every draft."""
    home = workspace.annotation_folder / project
    tasks = [json.loads(line) for line in (home / "tasks.jsonl").read_text(encoding="utf-8").splitlines()]
    for task in tasks:
        draft = task["predictions"][0]["result"]
        task["annotations"] = [{"id": person, "completed_by": person, "result": draft} for person in people]
    (home / "labels.json").write_text(json.dumps(tasks), encoding="utf-8")


def test_chunks_become_labels_and_labels_a_file_of_pairs(doyen: Doyen, workspace: Workspace, tmp_path: Path) -> None:
    made, status = doyen.annotate.create("qa", limit=2)
    assert (made, status.tasks, status.location) == (2, {"created": 2}, "files")
    assert doyen.annotate.push("qa").sent == 2
    label_all(workspace, "qa", "ada", "ben")
    assert doyen.annotate.pull("qa").added == 4
    agreement, problems = doyen.annotate.agreement("qa")
    assert (agreement.shared, problems) == (2, [])
    report, settled = doyen.annotate.adjudicate("qa", consensus=True)
    assert (report.sent, settled) == (0, 2)
    status, stale = doyen.annotate.status("qa")
    assert (status.annotators, status.decisions, stale.counts) == ({"ada": 2, "ben": 2}, {"consensus": 2}, {})
    assert [project.name for project in doyen.annotate.projects()] == ["qa", "qa review"]
    assert len(doyen.annotate.export_pairs("qa", tmp_path / "pairs.jsonl").pairs) == 2
    assert doyen.annotate.export_rows("qa", tmp_path / "rows.jsonl") == (2, [])


def test_texts_and_labels_of_other_tools_come_in(doyen: Doyen, tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text('{"text": "We love it."}\n{"text": "It leaks."}\n', encoding="utf-8")
    made, _ = doyen.annotate.create("moods", description=MOODS, texts=tmp_path / "texts.jsonl", overlap=3, share=1.0)
    assert made == 2
    assert doyen.annotate.push("moods").people == 3
    (tmp_path / "gold.jsonl").write_text('{"text": "It leaks.", "label": ["negative"]}\n', encoding="utf-8")
    gold, losses = doyen.annotate.gold("moods", tmp_path / "gold.jsonl", "doccano")
    assert (gold.hidden, list(losses.sentences())) == (1, [])
    (tmp_path / "given.jsonl").write_text('{"text": "We love it.", "label": ["positive"]}\n', encoding="utf-8")
    assert doyen.annotate.import_labels("moods", tmp_path / "given.jsonl", "doccano", annotator="ada").report.added == 1
    assert doyen.annotate.export_labels("moods", tmp_path / "out.jsonl", "doccano").labels == 1
    doyen.annotate.create("qa", limit=0)
    assert doyen.annotate.import_pairs("qa", [Pair(id="p", prompt="Q?", response="A.")]).added == 1
    assert len(read_labels(doyen.store, "qa").pairs) == 1


def test_wrong_names_and_places_are_refused(doyen: Doyen) -> None:
    with pytest.raises(InputError, match="cannot be a project's name"):
        doyen.annotate.create("a/b")
    for act in (doyen.annotate.push, doyen.annotate.pull, doyen.annotate.status, doyen.annotate.task_type):
        with pytest.raises(NotFoundError, match="no annotation project 'gone'"):
            act("gone")
    with pytest.raises(InputError, match="label_studio_url"):
        doyen.annotate.adopt("theirs", 1, "entities")
