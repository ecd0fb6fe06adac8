"""An annotation with an invalid part keeps its valid ones; what is left out is named and counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from doyen.annotation import create_project, project_status, pull, push, read_texts, text_tasks
from doyen.annotation.current_labels import export_pairs, labelled_texts
from doyen.annotation.types.descriptions import parse_description
from doyen.annotation.types.typed_labels import Classes, Coreference, Entities, Tags
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.platform.cli.annotate_command import app

NAME = "parts"
TEXT = "The pump PN 410-778 feeds the heated line and the membrane kit MK-7 twice a year."
LABELS = [{"name": "PART"}, {"name": "TIME"}]


def mark(identity: str, words: str, label: str = "PART", **changed: Any) -> dict[str, Any]:
    start = TEXT.index(words)
    value = {"start": start, "end": start + len(words), "text": words, "labels": [label], **changed}
    return {"id": identity, "from_name": "label", "to_name": "text", "type": "labels", "value": value}


def link(head: str, tail: str, *names: str) -> dict[str, Any]:
    return {"from_id": head, "to_id": tail, "type": "relation", "direction": "right", "labels": list(names)}


def field(name: str, kind: str, **value: Any) -> dict[str, Any]:
    return {"id": name, "from_name": name, "to_name": "passage", "type": kind, "value": value}


def choice(*names: str, field: str = "class") -> dict[str, Any]:
    return {"id": "c", "from_name": field, "to_name": "text", "type": "choices", "value": {"choices": list(names)}}


def proof(words: str, **changed: Any) -> dict[str, Any]:
    return {**mark(words, words, "evidence", **changed), "from_name": "evidence"}


PARTS = [mark("a", "pump"), mark("b", "heated line"), mark("c", "membrane kit"), mark("d", "twice a year", "TIME")]
ANSWER = [field("prompt", "textarea", text=["What?"]), field("response", "textarea", text=["The pump."])]
SAID: dict[str, tuple[dict[str, Any], list[dict[str, Any]], int, Any]] = {
    "an unnamed relation": (
        {"type": "entities", "labels": LABELS, "relations": ["feeds"]},
        [*PARTS, link("a", "b", "feeds"), link("a", "c")],
        1,
        lambda label: isinstance(label, Entities) and (len(label.regions), len(label.relations)) == (4, 1),
    ),
    "bad offsets, an unknown label, and a relation to it": (
        {"type": "entities", "labels": LABELS, "relations": ["feeds"]},
        [*PARTS, mark("e", "feeds", "VERB"), mark("f", "year", end=900), link("a", "e", "feeds")],
        3,
        lambda label: isinstance(label, Entities) and (len(label.regions), len(label.relations)) == (4, 0),
    ),
    "a mention that is none": (
        {"type": "coreference", "labels": LABELS},
        [*PARTS, mark("e", "feeds", "VERB"), link("a", "b", "same")],
        1,
        lambda label: isinstance(label, Coreference) and len(label.regions) == 4,
    ),
    "overlapping tokens": (
        {"type": "pos", "labels": LABELS},
        [*PARTS, mark("e", "line and")],
        1,
        lambda label: isinstance(label, Tags) and len(label.regions) == 4,
    ),
    "an unknown class among others": (
        {"type": "classification", "multiple": True, "labels": LABELS},
        [choice("PART", "POEM")],
        1,
        lambda label: label == Classes(("PART",)),
    ),
    "a field that somebody added": (
        {"type": "classification", "labels": LABELS},
        [choice("TIME"), field("note", "textarea", text=["hm"])],
        1,
        lambda label: label == Classes(("TIME",)),
    ),
    "evidence and rating of an answer": (
        {"type": "prompt-response"},
        [*ANSWER, proof("heated line"), proof("pump", text="valve"), field("rating", "rating", rating=9)],
        2,
        lambda label: (
            (label.response, [span.text for span in label.evidence], label.rating) == ("The pump.", ["heated line"], None)
        ),
    ),
}
NOTHING = {
    "no valid mark": ({"type": "entities", "labels": LABELS}, [mark("e", "feeds", "VERB")]),
    "two classes of one": ({"type": "classification", "labels": LABELS}, [choice("PART", "TIME")]),
    "no known class": ({"type": "classification", "multiple": True, "labels": LABELS}, [choice("POEM")]),
    "no valid proof": ({"type": "prompt-response"}, [*ANSWER, proof("pump", text="valve")]),
    "a blank answer": ({"type": "prompt-response"}, [ANSWER[0], field("response", "textarea", text=["  "])]),
}


def pulled(workspace: Workspace, store: Store, raw: dict[str, Any], result: list[dict[str, Any]], tmp_path: Path) -> list[str]:
    """Label a task with that result in files, pull it, and return the problems."""
    create_project(workspace, store, NAME, description=parse_description(raw, "here"))
    (tmp_path / "texts.jsonl").write_text(json.dumps({"text": TEXT}))
    text_tasks(store, NAME, read_texts(tmp_path / "texts.jsonl"))
    push(workspace, store, NAME)
    home = workspace.annotation_folder / NAME
    task = json.loads((home / "tasks.jsonl").read_text(encoding="utf-8"))
    task["annotations"] = [{"id": 1, "completed_by": "ada", "result": result, "updated_at": "2026-02-03T10:00:00Z"}]
    (home / "labels.json").write_text(json.dumps([task]), encoding="utf-8")
    return pull(workspace, store, NAME).problems


@pytest.mark.parametrize("what", SAID)
def test_valid_parts_are_kept_and_the_others_named_and_counted(
    workspace: Workspace, store: Store, tmp_path: Path, what: str
) -> None:
    raw, result, dropped, is_right = SAID[what]
    problems = pulled(workspace, store, raw, result, tmp_path)
    assert len(problems) == dropped
    assert all("left out of the label of ada" in problem for problem in problems)
    named: list[str] = []
    [item] = labelled_texts(store, NAME, problems=named)
    assert is_right(item.label)
    assert named == problems, "they are named by every use of the labels, not by the pull alone"
    assert export_pairs(store, NAME, tmp_path / "pairs.jsonl").problems == sorted(problems)
    status = project_status(store, NAME)
    assert (status.incomplete, status.parts_left_out, status.invalid) == (1, dropped, 0)
    assert pull(workspace, store, NAME).problems == [], "a pull names what is new"
    shown = CliRunner().invoke(app, ["status", "--project", NAME, "--workspace", str(workspace.root)]).stdout
    assert f"not valid: {dropped} parts of 1 labels" in shown


@pytest.mark.parametrize("what", NOTHING)
def test_a_label_without_a_valid_part_counts_for_nothing(workspace: Workspace, store: Store, tmp_path: Path, what: str) -> None:
    problems = pulled(workspace, store, *NOTHING[what], tmp_path)
    assert problems
    assert all(", label of ada" in problem for problem in problems)
    assert list(labelled_texts(store, NAME)) == []
    status = project_status(store, NAME)
    assert (status.incomplete, status.parts_left_out, status.invalid) == (0, 0, 1)
