"""Which questions a whole line of trainings has not seen."""

from __future__ import annotations

import json

import pytest

from doyen.core.manifest import build_manifest
from doyen.finetune.adapter_lineage import ancestors, unseen_questions
from doyen.finetune.reading_adapter import shipped_adapter
from doyen.finetune.registry import Registry


@pytest.fixture
def registry(workspace, store):
    return Registry(workspace, store)


@pytest.fixture
def trained(workspace, registry, tmp_path):
    """Register an adapter on a dataset that kept questions out, trained further from a parent."""
    files = tmp_path / "peft"
    files.mkdir()

    def register(name, kept_out=None, parent=None):
        folder = workspace.datasets_folder / f"{name}-data"
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps({} if kept_out is None else {"frozen_questions": kept_out}))
        manifest = {**build_manifest("adapter", inputs={"base": "sha"}, settings={}, seed=1), "parent": parent}
        return registry.register(name, files, base_model="m", dataset_id=folder.name, manifest=manifest)

    return register


def test_a_question_that_an_ancestor_was_trained_on_was_seen(workspace, registry, trained):
    first = trained("first", ["a", "b"], parent=shipped_adapter().ref)
    second = trained("second", ["b", "c"], parent=first.ref)
    third = trained("third", ["b", "c", "d"], parent=second.ref)
    assert [each.ref for each in ancestors(registry, third)] == ["second:1", "first:1", shipped_adapter().ref]
    assert unseen_questions(workspace, registry, first) == {"a", "b"}
    assert unseen_questions(workspace, registry, third) == {"b"}
    registry.delete("first:1")
    assert unseen_questions(workspace, registry, third) == {"b"}, "what was deleted has taught nevertheless"


def test_an_ancestor_of_which_nothing_is_known_may_have_seen_everything(workspace, registry, trained):
    assert unseen_questions(workspace, registry, trained("silent", parent=None)) is None
    child = trained("child", ["a"], parent="elsewhere:3")
    assert ancestors(registry, child) == ["elsewhere:3"]
    assert unseen_questions(workspace, registry, child) is None
    assert unseen_questions(workspace, registry, trained("other", ["a"], parent="silent:1")) is None
