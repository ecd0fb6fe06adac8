"""``doyen label weak`` and ``doyen dataset augment`` as people type them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command_line import run_doyen

from doyen import Doyen
from doyen.annotation import TaskDescription
from doyen.core.store import Store
from doyen.core.workspace import Workspace

LABELS = {"type": "classification", "labels": [{"name": "fee"}, {"name": "card"}]}
RULES = """
[[rules]]
name = "fees"
kind = "keyword"
label = "fee"
words = ["fee", "charged"]

[[rules]]
name = "cards"
kind = "keyword"
label = "card"
words = ["card"]
"""


@pytest.fixture
def desk(workspace: Workspace, store: Store, tmp_path: Path) -> Path:
    """The folder of a workspace with a project of texts, and a file of rules beside it."""
    texts = [f"Why was I charged a fee for item {n}?" for n in range(3)] + [
        f"My card {n} is gone, please help." for n in range(3)
    ]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    (tmp_path / "rules.toml").write_text(RULES, encoding="utf-8")
    description = TaskDescription.model_validate(LABELS)
    Doyen(workspace, store=store).annotate.create("desk", description=description, texts=tmp_path / "texts.jsonl")
    return workspace.root


def test_rules_become_pairs_a_dataset_and_one_with_variants(desk: Path, tmp_path: Path) -> None:
    rules, pairs = tmp_path / "rules.toml", tmp_path / "pairs.jsonl"
    table = run_doyen("label", "weak", rules, "--project", "desk", "--method", "majority", "--only-table", cwd=desk)
    assert table.code == 0, table.err
    assert table.out.splitlines()[1].split()[:2] == ["fees", "50.0%"]
    assert not (desk / ".doyen" / "supervision").exists()
    weak = run_doyen("label", "weak", rules, "-p", "desk", "--method", "majority", "--pairs", pairs, "--json", cwd=desk)
    assert (weak.json["texts"], weak.json["labelled"], weak.json["drafted"], weak.json["pairs"]) == (6, 6, 6, 6)
    built = run_doyen("dataset", "build", pairs, "--name", "desk", "--paraphrases", "resolve", "--json", cwd=desk)
    assert built.code == 0, built.err
    made = run_doyen("dataset", "augment", "desk", "--with", "typos", "--with", "spoken", "--json", cwd=desk)
    assert made.code == 0, made.err
    assert made.json["made"]["spoken"] == made.json["parents"]
    assert made.json["train"] == made.json["parents"] + sum(made.json["made"].values())
    told = run_doyen("dataset", "augment", "desk", "--with", "typos", cwd=desk)
    assert "variants" in told.out


def test_wrong_use_is_told_with_the_remedy(desk: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    few = run_doyen("label", "weak", rules, "--project", "desk", cwd=desk)
    assert (few.code, "needs 3 labelling functions, found 2" in few.err) == (2, True)
    wrong = run_doyen("label", "weak", rules, "--project", "desk", "--method", "hmm", cwd=desk)
    assert (wrong.code, "choose one of label-model, majority, dawid-skene" in wrong.err) == (2, True)
    mixed = run_doyen("train", "desk", "--reader", "--variants", "0.5", cwd=desk)
    assert (mixed.code, "set finetune.variant_share" in mixed.err) == (2, True)


def test_a_command_that_is_interrupted_says_how_to_go_on(desk: Path, tmp_path: Path) -> None:
    (tmp_path / "functions.py").write_text("raise KeyboardInterrupt\n", encoding="utf-8")
    stopped = run_doyen("label", "weak", tmp_path / "functions.py", "--project", "desk", cwd=desk)
    assert (stopped.code, stopped.out) == (130, "")
    assert stopped.err.strip() == "doyen: stopped; what was finished is kept, run the same command again to go on"
