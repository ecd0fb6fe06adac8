"""What of the adapters is in use, what is collected, and what their cards say."""

from __future__ import annotations

import json

import pytest
from support.evaluation_world import evaluate_small_world, many_questions

from doyen.core.manifest import build_manifest
from doyen.core.workspace import FILE_NAME, Workspace
from doyen.finetune.model_card import card_text
from doyen.finetune.registry import READER, Registry
from doyen.platform.adapters.adapter_card import card_facts, card_json
from doyen.platform.adapters.adapter_collection import collect_adapters


@pytest.fixture
def registry(workspace, store):
    return Registry(workspace, store)


@pytest.fixture
def add(registry, tmp_path):
    files = tmp_path / "peft"
    files.mkdir()
    (files / "adapter_model.safetensors").write_bytes(b"weights")

    def register(name="legal", **told):
        made = build_manifest("adapter", inputs={"base": "sha"}, settings={"rank": 16, "epochs": 2}, seed=17)
        manifest = {**made, "losses": [2.5, 1.25], **told}
        return registry.register(name, files, base_model="m", dataset_id="d-1", manifest=manifest)

    return register


def test_what_something_rests_on_is_never_collected(workspace, store, registry, add):
    for _ in range(8):
        add()
    add("child", parent="legal:3"), add("read", kind=READER), add("read", kind=READER)
    for version in (1, 2, 4):
        registry.promote(f"legal:{version}")
    registry.stage("legal:5")
    evaluate_small_world(many_questions(1), workspace.reports_folder / "tried", "legal:6")
    (workspace.root / FILE_NAME).write_text('name = "t"\n[serving]\nreader = "read:1"\n')
    found = collect_adapters(Workspace(workspace.root), store)
    assert found.kept == {
        "legal:2": ["a rollback of 'legal' brings it back"],
        "legal:3": ["parent of child:1"],
        "legal:4": ["in production"],
        "legal:5": ["in staging"],
        "legal:6": ["measured by report 'tried'"],
        "legal:8": ["the newest of 'legal'"],
        "child:1": ["the newest of 'child'"],
        "read:1": ["named by serving.reader"],
        "read:2": ["the newest of 'read'"],
    }
    assert list(found.removable) == ["legal:1", "legal:7"]
    assert registry.get("legal:7").has_weights, "a trial removes nothing"
    gone = registry.get("legal:7").folder
    assert collect_adapters(Workspace(workspace.root), store, remove=True).bytes == found.bytes > 0
    assert not gone.exists()
    assert {adapter.ref for adapter in registry.list()} == set(found.kept)
    assert registry.rollback("legal").ref == "legal:2", "what a rollback needs is there"
    assert list(collect_adapters(Workspace(workspace.root), store).removable) == ["legal:4"], "what was rolled back from"


def test_the_card_tells_what_an_adapter_is_and_how_well_it_did(workspace, store, registry, add):
    folder = workspace.datasets_folder / "d-1"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"counts": {"train": 40}, "fingerprint": "f"}))
    first = add()
    made = add(parent=first.ref, fingerprint="weights of legal:2", seconds=75.0, validation_loss=0.5)
    assert "| trained from | legal:1 |" in (made.folder / "README.md").read_text(), "the folder has the card of its training"
    for name, fingerprint in (("good", "weights of legal:2"), ("earlier", "other")):
        report = evaluate_small_world(many_questions(1), workspace.reports_folder / name, "legal:2")
        data = {**report.data, "adapter_fingerprint": fingerprint}
        (workspace.reports_folder / name / "report.json").write_text(json.dumps(data))
    registry.promote("legal:2", {"by": "mara", "report": "good", "reason": None})
    made = registry.get("legal:2")
    facts = card_facts(workspace, store, made)
    card = card_json(made, facts)
    assert card["lineage"] == ["legal:1"]
    assert card["dataset"] == {"id": "d-1", "counts": {"train": 40}, "fingerprint": "f"}
    assert [each["report"] for each in card["evaluations"]] == ["good"], "a report about another training says nothing"
    assert list(card["evaluations"][0]["modes"]) == ["hybrid"]
    assert card["evaluations"][0]["modes"]["hybrid"]["token_f1"].keys() >= {"mean", "low", "high", "n"}
    assert card["settings"] == {"rank": 16, "epochs": 2}
    assert card["libraries"]["peft"]
    assert set(card["in_use"]) == {
        "in production",
        "the newest of 'legal'",
        "measured by report 'good'",
        "measured by report 'earlier'",
    }
    text = card_text(made, facts)
    for part in (
        "base_model: m",
        "40 pairs to train on",
        "| good | hybrid | token_f1 |",
        "by mara, on report good",
        "it took 75 s",
    ):
        assert part in text
