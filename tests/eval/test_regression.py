"""A run against an earlier one: a planted loss is found, noise is not, and what cannot be compared is said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from support.command_line import run_doyen
from support.evaluation_world import ScriptedAssistant, evaluate_small_world, many_questions

from doyen.core.answers import Answer
from doyen.core.errors import InputError, StateError
from doyen.core.settings import EvalSettings, WatchedMetric
from doyen.core.statistics import detectable_difference, holm
from doyen.core.workspace import create_workspace
from doyen.eval.metrics import INFO
from doyen.eval.regression import SCORES, Scores, compare_runs, read_scores
from doyen.eval.report import Report


def as_run(folder: Path, values: np.ndarray) -> Report:
    folder.mkdir()
    lines = [
        {"mode": "hybrid", "id": str(number), "question": str(number), "scores": {"token_f1": value}}
        for number, value in enumerate(values)
    ]
    (folder / SCORES).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return Report(folder, {})


def lost(tmp_path: Path, number: int, before: np.ndarray, now: np.ndarray) -> bool:
    folders = tmp_path / f"{number}a", tmp_path / f"{number}b"
    settings = EvalSettings(bootstrap_samples=400)
    return any(change.worse for change in compare_runs(as_run(folders[1], now), as_run(folders[0], before), settings))


@pytest.mark.parametrize(("points", "found"), [(5, True), (1, False)])
def test_a_loss_of_five_points_on_300_questions_is_found_and_noise_of_one_is_not(tmp_path: Path, points: int, found: bool):
    """The bar: 95 of 100 simulations each. Right answers turn wrong; as many others change either way by chance."""
    draw = np.random.default_rng(7)
    told = 0
    for number in range(100):
        before = (draw.random(300) < 0.6).astype(float)
        now = before.copy()
        now[draw.choice(np.flatnonzero(before), 3 * points, replace=False)] = 0.0
        told += lost(tmp_path, number, before, now)
    assert told >= 95 if found else told <= 5


def test_noise_in_both_directions_is_no_loss(tmp_path: Path):
    draw = np.random.default_rng(8)
    told = 0
    for number in range(60):
        before = (draw.random(300) < 0.6).astype(float)
        now = np.where(draw.random(300) < 0.05, 1 - before, before)
        told += lost(tmp_path, number, before, now)
    assert told <= 4


def test_p_is_corrected_for_how_many_changes_are_looked_at():
    assert holm([]) == []
    assert holm([0.04]) == [0.04]
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])  # Holm 1979: never below the one before
    assert holm([0.5, 0.9]) == [1.0, 1.0]


def test_what_so_many_questions_would_show():
    # 80% power at n 80 and a spread of 0.29: nine points, the example of the documentation.
    assert detectable_difference(0.29, 80) == pytest.approx(0.0908, abs=1e-4)
    assert detectable_difference(0.29, 4 * 80) == pytest.approx(detectable_difference(0.29, 80) / 2)


def scores_of(report: Report, metric: str) -> dict[tuple[str, str], float]:
    scores: Scores = read_scores(report.folder)
    return {key: found[metric] for key, found in scores.items() if metric in found}


class Forgetful(ScriptedAssistant):
    """Answers every question in mode hybrid with the same wrong words."""

    def ask(self, question: str, mode: str, **rest: object) -> Answer:
        answer = super().ask(question, mode, **rest)  # type: ignore[arg-type]
        return replace(answer, answer="Bananas.") if mode == "hybrid" else answer


def test_a_real_run_writes_its_scores_and_is_compared(tmp_path: Path):
    questions = many_questions(9)
    good = evaluate_small_world(questions, tmp_path / "good", "qa:1")
    bad = evaluate_small_world(questions, tmp_path / "bad", "qa:1", Forgetful(questions))
    assert len(scores_of(good, "token_f1")) == 2 * 36
    assert np.mean([value for (mode, _), value in scores_of(good, "token_f1").items() if mode == "hybrid"]) == pytest.approx(
        good.metric("hybrid", "token_f1")["mean"], abs=1e-6
    )
    settings = EvalSettings()
    changes = compare_runs(bad, good, settings)
    assert changes[0].worse
    assert {change.mode for change in changes if change.worse} == {"hybrid"}
    assert {change.metric for change in changes if change.worse} >= {"token_f1", "key_facts"}
    assert not any(change.worse for change in compare_runs(good, bad, settings))
    assert all(change.p == 1 for change in compare_runs(good, good, settings))
    create_workspace(tmp_path / "space", "runs")
    told = run_doyen("eval", "gate", bad.folder, "--against", good.folder, "--workspace", tmp_path / "space")
    assert told.code == 1
    assert "WORSE: token_f1 of hybrid" in told.out
    same = run_doyen("eval", "gate", good.folder, "--against", bad.folder, "--workspace", tmp_path / "space", "--json")
    assert (same.code, same.json["passed"]) == (0, True)


def test_runs_that_cannot_be_compared_are_a_sentence_with_a_remedy(tmp_path: Path):
    values = np.ones(40)
    first = as_run(tmp_path / "a", values)
    with pytest.raises(InputError, match="asked 20 questions in common, and 30 are needed"):
        compare_runs(first, as_run(tmp_path / "b", values[:20]), EvalSettings())
    with pytest.raises(StateError, match=r"has no scores\.jsonl, .*: run `doyen eval run` with this --out again"):
        compare_runs(first, Report(tmp_path, {}), EvalSettings())
    (tmp_path / "b" / SCORES).write_text("{}\n", encoding="utf-8")
    with pytest.raises(StateError, match="is damaged"):
        compare_runs(first, Report(tmp_path / "b", {}), EvalSettings())
    (tmp_path / "b" / SCORES).write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="no mode in common"):
        compare_runs(first, Report(tmp_path / "b", {}), EvalSettings())


def test_every_metric_of_a_report_can_be_watched():
    assert get_args(WatchedMetric) == tuple(INFO)
