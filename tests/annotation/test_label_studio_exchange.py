"""Label Studio's own files against a real server: its exports are read, and what we write goes in and comes back."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from support.task_labels import TASK_TYPES, random_label, random_text

from doyen.annotation.exchange.formats import FORMATS, Losses, read_labels
from doyen.annotation.tasks import task_data
from doyen.annotation.types.drafter import Excerpt
from doyen.annotation.types.typed_labels import Classes, LabelledText, Marks

pytestmark = pytest.mark.label_studio
PEOPLE = ("ada@example.com", "ben@example.com")
KINDS = ["prompt-response", "several classes", "related entities", "sentiment", "coreference", "pos"]
FIXTURES = Path(__file__).parent / "label_studio_exports"


def exported(client: Any, project: int, form: str, path: Path) -> Path:
    """Save a project's export as the server writes it."""
    path.write_bytes(b"".join(client.projects.exports.download_sync(project, export_type=form)))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_a_servers_exports_are_read_and_our_files_go_in(kind: str, label_studio: Any, tmp_path: Path) -> None:
    rng, task_type = random.Random(kind), TASK_TYPES[kind]
    lead = label_studio.client("lead@example.com")
    project = lead.projects.create(title=f"files {kind}", label_config=task_type.config).id
    texts = [random_text(rng) for _ in range(2)]
    excerpts = [Excerpt(text, source="", document_id="", version="", chunk_id="", start=0) for text in texts]
    data = {f"uid-{n}": task_data(f"uid-{n}", excerpt, "") for n, excerpt in enumerate(excerpts)}
    lead.projects.import_tasks(id=project, request=[{"data": value} for value in data.values()])
    said = {}
    for task in lead.tasks.list(project=project, fields="all"):
        for person in PEOPLE:
            label = random_label(rng, task_type, task.data["text"])
            if not (isinstance(label, Classes) and not label.labels):
                said[task.data["uid"], person] = label
                label_studio.client(person).annotations.create(id=task.id, result=task_type.write(label, task.data))
    whole = exported(lead, project, "JSON", tmp_path / "export.json")
    small = exported(lead, project, "JSON_MIN", tmp_path / "min.json")
    if os.environ.get("DOYEN_WRITE_FIXTURES"):
        FIXTURES.mkdir(exist_ok=True)
        (FIXTURES / f"{task_type.name}.json").write_bytes(whole.read_bytes())
        (FIXTURES / f"{task_type.name}.min.json").write_bytes(small.read_bytes())
    people = {f"user {user.id}": user.email for user in lead.users.list()}
    found = list(read_labels(whole, "label-studio", task_type.name, Losses()))
    assert {(item.item_id, people[item.annotator]): item.label for item in found} == said
    assert {item.text for item in found} <= set(texts)
    in_min = list(read_labels(small, "label-studio-min", task_type.name, Losses()))
    assert {(item.item_id, people[item.annotator]): _places(item.label) for item in in_min} == {
        key: _places(label) for key, label in said.items()
    }

    labels = [LabelledText(uid, data[uid]["text"], label, person) for (uid, person), label in sorted(said.items())]
    FORMATS["label-studio"].write(labels, tmp_path / "ours.json", Losses())
    second = lead.projects.create(title=f"back {kind}", label_config=task_type.config).id
    lead.projects.import_tasks(id=second, request=json.loads((tmp_path / "ours.json").read_text(encoding="utf-8")))
    back = read_labels(exported(lead, second, "JSON", tmp_path / "back.json"), "label-studio", task_type.name, Losses())
    assert {(item.item_id, people[item.annotator]): item.label for item in back} == said


def _places(label: Any) -> Any:
    """Return a label without what JSON-MIN cannot hold: ids and relations."""
    if isinstance(label, Marks):
        return [(region.start, region.end, region.label) for region in label.regions]
    return label
