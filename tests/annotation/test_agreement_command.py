"""``doyen annotate agreement`` on labels that came back from files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from doyen.annotation import create_project, draft_tasks, pull, push
from doyen.annotation.current_labels import labelled_texts
from doyen.annotation.quality.gold import seed_gold
from doyen.annotation.types.descriptions import parse_description
from doyen.annotation.types.typed_labels import Classes, LabelledText
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.platform.cli.annotate_command import app

NAME = "moods"
SAID = {"ada": ("positive", "negative", "neutral"), "ben": ("positive", "neutral", "neutral")}
GOLD = "The pump is loud again."


@pytest.fixture
def labelled(workspace: Workspace, filled: Store) -> Workspace:
    """Two people labelled two chunks and a gold item."""
    create_project(workspace, filled, NAME, "sentiment")
    draft_tasks(filled, NAME, limit=2)
    seed_gold(filled, NAME, [LabelledText("g", GOLD, Classes(("negative",)))])
    push(workspace, filled, NAME)
    home = workspace.annotation_folder / NAME
    tasks = [json.loads(line) for line in (home / "tasks.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(tasks) == 3
    tasks.sort(key=lambda task: task["data"]["text"] == GOLD)
    with (home / "labels.jsonl").open("w", encoding="utf-8") as stream:
        for number, task in enumerate(tasks):
            answers = [_annotation(f"{name}-{number}", name, said[number]) for name, said in SAID.items()]
            stream.write(json.dumps({**task, "annotations": answers}) + "\n")
    assert pull(workspace, filled, NAME).added == 6
    return workspace


def test_the_report_is_json_for_machines(labelled: Workspace, filled: Store) -> None:
    assert len(list(labelled_texts(filled, NAME, decided=False, gold=True))) == 6
    found = json.loads(_run("--project", NAME, "--json", "--workspace", labelled.root).stdout)
    assert (found["project"], found["type"], found["primary"]) == (NAME, "sentiment", "alpha")
    assert (found["items"], found["shared"], found["annotators"]) == (3, 3, {"ada": 3, "ben": 3})
    assert found["overall"]["agreement"]["value"] == pytest.approx(2 / 3)
    assert found["pairs"][0]["annotators"] == ["ada", "ben"]
    assert list(found["periods"]) == ["2026-W06"]
    assert found["gold"]["ada"]["agreement"] == {"value": 0.0, "low": None, "high": None, "items": 1}
    assert "alpha_ordinal" in found["overall"]


def test_the_report_is_a_table_for_people(labelled: Workspace) -> None:
    shown = _run("--project", NAME, "--workspace", labelled.root).stdout
    assert shown.startswith("3 items, 3 of them labelled by two annotators or more (ada 3, ben 3).")
    for part in ("Overall", "agreement             0.667 [", "By label", "Against gold items", "Reliability"):
        assert part in shown


def test_the_description_chooses_the_measure(workspace: Workspace, filled: Store) -> None:
    """Texts may have several classes, as the gold item has; that nobody has given two yet changes nothing."""
    described = parse_description({"type": "classification", "multiple": True, "labels": [{"name": n} for n in "abc"]}, "here")
    create_project(workspace, filled, NAME, description=described)
    seed_gold(filled, NAME, [LabelledText(text, text, Classes(("a", "b"))) for text in ("One.", "Two.")])
    push(workspace, filled, NAME)
    home = workspace.annotation_folder / NAME
    tasks = [json.loads(line) for line in (home / "tasks.jsonl").read_text(encoding="utf-8").splitlines()]
    with (home / "labels.jsonl").open("w", encoding="utf-8") as stream:
        for task in tasks:
            answers = [_annotation(f"{name}-{task['data']['uid']}", name, said) for name, said in (("ada", "a"), ("ben", "b"))]
            stream.write(json.dumps({**task, "annotations": answers}) + "\n")
    assert pull(workspace, filled, NAME).added == 4
    found = json.loads(_run("--project", NAME, "--json", "--workspace", workspace.root).stdout)
    assert found["primary"] == "alpha_masi"
    assert [found["gold"][name]["jaccard"]["value"] for name in SAID] == [0.5, 0.5]


def test_a_project_without_labels_says_so(workspace: Workspace, filled: Store) -> None:
    create_project(workspace, filled, NAME, "sentiment")
    shown = _run("--project", NAME, "--workspace", workspace.root).stdout
    assert "0 items, 0 of them" in shown
    assert "no item was labelled by two annotators" in shown


def _annotation(id: str, annotator: str, mood: str) -> dict[str, object]:
    region = {"id": "c", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": [mood]}}
    return {"id": id, "completed_by": annotator, "result": [region], "updated_at": "2026-02-03T10:00:00Z"}


def _run(*arguments: str | Path) -> object:
    done = CliRunner().invoke(app, ["agreement", *map(str, arguments)])
    assert done.exit_code == 0, (done.output, done.exception)
    return done
