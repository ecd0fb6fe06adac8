"""``best`` is the mode that the newest report measured best, of those that can be served now."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from doyen.finetune.registry import Registry
from doyen.platform.serving.best import find_best


def report(
    folder: Path, name: str, created: str, means: dict[str, Any], *, metric: str = "token_f1", adapter: str | None = None
):
    (folder / name).mkdir(parents=True)
    modes = {mode: {"metrics": {metric: {"mean": mean}}} for mode, mean in means.items()}
    data = {"manifest": {"created_at": created}, "adapter": adapter, "modes": modes}
    (folder / name / "report.json").write_text(json.dumps(data), encoding="utf-8")


@pytest.fixture
def registry(workspace, store, tmp_path):
    registry = Registry(workspace, store)
    files = tmp_path / "files"
    files.mkdir()
    (files / "adapter_model.safetensors").write_bytes(b"")
    registry.register("legal", files, base_model="fake", dataset_id="set", manifest={"inputs": {"base": "a"}})
    return registry


def best(workspace, registry, *, fits=True):
    return find_best(workspace.reports_folder, registry, lambda _: fits)


def test_without_a_report_it_is_rag_and_says_so(workspace, registry):
    found = best(workspace, registry)
    assert (found.mode, found.adapter) == ("rag", None)
    assert "no report" in found.reason


def test_the_newest_report_decides_by_its_manifest(workspace, registry):
    folder = workspace.reports_folder
    report(folder, "b", "2025-02-01T00:00:00+00:00", {"base": 0.1, "rag": 0.2, "hybrid": 0.5}, adapter="legal:1")
    report(
        folder, "a", "2025-03-01T00:00:00+00:00", {"base": 0.1, "rag": 0.2, "finetune": 0.4, "hybrid": 0.3}, adapter="legal:1"
    )
    found = best(workspace, registry)
    assert (found.mode, found.adapter) == ("finetune", "legal:1")
    assert "'a'" in found.reason
    assert "0.400" in found.reason


def test_key_facts_go_before_token_f1(workspace, registry):
    report(workspace.reports_folder, "a", "2025", {"base": 0.9})
    path = workspace.reports_folder / "a" / "report.json"
    data = json.loads(path.read_text())
    data["modes"] = {
        "base": {"metrics": {"token_f1": {"mean": 0.9}, "key_facts": {"mean": 0.1}}},
        "rag": {"metrics": {"token_f1": {"mean": 0.2}, "key_facts": {"mean": 0.3}}},
    }
    path.write_text(json.dumps(data))
    assert best(workspace, registry).mode == "rag"


@pytest.mark.parametrize("loss", ["row", "files", "base", "unnamed"])
def test_modes_whose_adapter_is_gone_or_foreign_are_passed_over(workspace, registry, loss):
    adapter = None if loss == "unnamed" else "other:1" if loss == "row" else "legal:1"
    report(workspace.reports_folder, "a", "2025", {"base": 0.1, "rag": 0.2, "hybrid": 0.5}, adapter=adapter)
    if loss == "files":
        shutil.rmtree(registry.get("legal:1").folder)
    found = best(workspace, registry, fits=loss != "base")
    assert (found.mode, found.adapter) == ("rag", None)
    assert "hybrid cannot be served now" in found.reason


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"manifest": {"created_at": "2026"}, "modes": {"rag": 3}}', '{"manifest": 1}']
)
def test_damaged_reports_do_not_stop_an_answer(workspace, registry, text):
    (workspace.reports_folder / "x").mkdir(parents=True)
    (workspace.reports_folder / "x" / "report.json").write_text(text)
    assert best(workspace, registry).mode == "rag"


def test_a_report_only_of_modes_without_value_is_no_report(workspace, registry):
    report(workspace.reports_folder, "a", "2025", {"base": None, "hybrid": None}, adapter="legal:1")
    assert "no report" in best(workspace, registry).reason
