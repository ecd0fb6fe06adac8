"""``best`` is the mode that the newest report measured best, of those that can be served now."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from doyen.core.errors import StorageError
from doyen.eval.report import load_report
from doyen.finetune.registry import Registry
from doyen.platform.serving.best import find_best


def report(
    folder: Path, name: str, created: str, means: dict[str, Any], *, metric: str = "token_f1", adapter: str | None = None,
    n: int = 400, p: float = 0.5, more: dict[str, dict[str, float]] | None = None,
) -> None:  # fmt: skip
    """Write a report; each mode's difference to rag has the p, and ``more`` holds the means of other metrics."""
    (folder / name).mkdir(parents=True)
    figures = {metric: means, **(more or {})}
    modes = {mode: {"metrics": {name: {"mean": values[mode], "n": n} for name, values in figures.items()}} for mode in means}
    comparisons = [
        {"a": mode, "b": "rag", "metric": metric, "delta": means[mode] - means["rag"], "p": p, "n": n}
        for mode in means
        if "rag" in means and means[mode] is not None
    ]
    data = {"manifest": {"created_at": created}, "adapter": adapter, "modes": modes, "comparisons": comparisons}
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


def test_without_a_report_it_is_extract_and_says_so(workspace, registry):
    found = best(workspace, registry)
    assert (found.mode, found.adapter) == ("extract", None)
    assert "no report" in found.reason


def test_without_a_reader_it_is_rag_and_extract_cannot_be_served(workspace, registry):
    def unread():
        return find_best(workspace.reports_folder, registry, lambda _: True, reads=False)

    assert unread().mode == "rag"
    report(workspace.reports_folder, "a", "2025", {"rag": 0.2, "extract": 0.5})
    assert best(workspace, registry).mode == "extract"
    assert unread().mode == "rag"
    assert "extract cannot be served now" in unread().reason


def test_the_newest_report_decides_by_its_manifest(workspace, registry):
    folder = workspace.reports_folder
    report(folder, "b", "2025-02-01T00:00:00+00:00", {"base": 0.1, "rag": 0.2, "hybrid": 0.5}, adapter="legal:1")
    report(
        folder,
        "a",
        "2025-03-01T00:00:00+00:00",
        {"base": 0.1, "rag": 0.2, "finetune": 0.4, "hybrid": 0.3},
        adapter="legal:1",
        p=0.01,
    )
    found = best(workspace, registry)
    assert (found.mode, found.adapter) == ("finetune", "legal:1")
    assert "'a'" in found.reason
    assert "0.400" in found.reason


def test_key_facts_go_before_token_f1(workspace, registry):
    facts = {"rag": 0.1, "hybrid": 0.3}
    report(workspace.reports_folder, "a", "2025", {"rag": 0.9, "hybrid": 0.2}, adapter="legal:1", more={"key_facts": facts})
    assert best(workspace, registry).mode == "hybrid"


@pytest.mark.parametrize("means", [{"base": 0.9}, {"base": 0.9, "rag": 0.1}], ids=["base only", "rag too"])
def test_a_smoke_run_does_not_displace_a_full_report(workspace, registry, means):
    report(workspace.reports_folder, "full", "2025-01", {"base": 0.1, "rag": 0.3, "hybrid": 0.5}, adapter="legal:1")
    report(workspace.reports_folder, "smoke", "2025-02", means, n=3)
    found = best(workspace, registry)
    assert (found.mode, found.adapter) == ("hybrid", "legal:1")
    assert "'full'" in found.reason


def test_a_report_of_no_mode_with_passages_decides_nothing(workspace, registry):
    report(workspace.reports_folder, "a", "2025", {"base": 0.9, "finetune": 0.95}, adapter="legal:1")
    assert "no report" in best(workspace, registry).reason


def test_a_tie_goes_to_token_f1_and_then_to_passages(workspace, registry):
    folder = workspace.reports_folder
    zero = {"base": 0.0, "rag": 0.0, "rag-short": 0.0}
    report(folder, "a", "2025", zero, metric="key_facts", more={"token_f1": {"base": 0.05, "rag": 0.3, "rag-short": 0.4}})
    assert best(workspace, registry).mode == "rag-short"
    report(folder, "b", "2026", zero, p=0.001)
    assert best(workspace, registry).mode == "rag"


@pytest.mark.parametrize(
    ("p", "n", "base", "expected"),
    [(0.01, 400, 0.4, "base"), (0.06, 400, 0.4, "rag"), (0.01, 29, 0.4, "extract"), (0.01, 400, 0.2, "rag")],
)
def test_without_passages_a_mode_must_surely_beat_rag(workspace, registry, p, n, base, expected):
    report(workspace.reports_folder, "a", "2025", {"base": base, "rag": 0.3}, p=p, n=n)
    assert best(workspace, registry).mode == expected


def test_key_facts_of_few_questions_leave_it_to_token_f1(workspace, registry):
    report(workspace.reports_folder, "a", "2025", {"rag": 0.2, "rag-short": 0.4})
    path = workspace.reports_folder / "a" / "report.json"
    data = json.loads(path.read_text())
    for mode, mean in (("rag", 1.0), ("rag-short", 0.0)):
        data["modes"][mode]["metrics"]["key_facts"] = {"mean": mean, "n": 29}
    path.write_text(json.dumps(data))
    assert best(workspace, registry).mode == "rag-short"


def test_an_adapter_that_was_trained_again_was_not_measured(workspace, registry):
    report(workspace.reports_folder, "a", "2025", {"rag": 0.2, "hybrid": 0.5}, adapter="legal:1")
    path = workspace.reports_folder / "a" / "report.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "adapter_fingerprint": "another training"}))
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


GOOD = '{"manifest": {"created_at": "2026"}, "modes": {"rag": {"metrics": %s}}}'


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", "null", '{"manifest": 1}', GOOD % "null", GOOD % "[]", GOOD % '{"token_f1": 3}',
        GOOD % '{"token_f1": {"mean": "much", "n": 40}}', GOOD % '{"token_f1": {"mean": NaN, "n": 40}}',
        '{"manifest": {"created_at": "2026"}, "modes": {"rag": 3}}', '{"manifest": {"created_at": "2026"}, "modes": null}',
        '{"manifest": {"created_at": "2026"}, "modes": {}, "comparisons": {"a": 1}}', '{"adapter": 1}',
    ],
)  # fmt: skip
def test_damaged_reports_are_passed_over_with_the_reason(workspace, registry, caplog, text):
    report(workspace.reports_folder, "a", "2025", {"rag": 0.2, "rag-short": 0.4})
    (workspace.reports_folder / "x").mkdir(parents=True)
    (workspace.reports_folder / "x" / "report.json").write_text(text)
    assert best(workspace, registry).mode == "rag-short"
    assert any("x/report.json" in record.getMessage() for record in caplog.records)
    with pytest.raises(StorageError, match="run the evaluation again"):
        load_report(workspace.reports_folder / "x")


def test_a_report_only_of_modes_without_value_is_no_report(workspace, registry):
    report(workspace.reports_folder, "a", "2025", {"base": None, "hybrid": None}, adapter="legal:1")
    assert "no report" in best(workspace, registry).reason
