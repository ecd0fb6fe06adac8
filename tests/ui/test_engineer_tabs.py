"""The tabs of an engineer in a real browser: datasets and training, evaluation, adapters."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.evaluation_world import ScriptedAssistant, evaluate_small_world, make_questions, many_questions

from doyen.annotation import create_project, import_pairs
from doyen.core.answers import Answer
from doyen.core.jobs import add_job, claim, losses_path, running_lock
from doyen.core.records import Pair
from doyen.finetune.registry import Registry

pytestmark = [pytest.mark.browser, pytest.mark.model]

HOSTILE = "<img src=x onerror=alert(1)>"
SUBJECTS = ["pump", "valve", "motor", "fan", "belt", "gauge", "nozzle", "boiler", "rotor", "hatch"]


def test_a_dataset_is_built_and_read_by_its_card(visit: Callable[..., Any], site: Any) -> None:
    create_project(site.workspace, site.store, "answers")
    pairs = [
        Pair(id=name, prompt=f"Where is the {name} kept?", response=f"In hall {number}.", annotator=HOSTILE)
        for number, name in enumerate(SUBJECTS)
    ]
    import_pairs(site.workspace, site.store, "answers", pairs)
    seen = visit("#training/build", width=390)
    page = seen.page
    page.wait_for_selector("#build-dataset", state="visible")
    page.click("#build-dataset")
    page.wait_for_selector("text=Name the dataset first.")
    page.fill("#dataset-name input, #dataset-name textarea", "halls")
    page.click("#build-dataset")
    page.wait_for_selector("text=9 pairs to train on, 1 to validate with", timeout=60_000)
    page.get_by_label("Datasets", exact=True).check()
    page.wait_for_selector("#dataset-card >> text=onerror=alert(1)>")
    assert page.query_selector("#dataset-card img") is None
    assert page.input_value("#dataset input").startswith("halls-")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert seen.errors == []


def test_a_training_that_runs_is_shown_with_its_loss_after_a_reload(visit: Callable[..., Any], site: Any) -> None:
    job = add_job(site.store, "train", {"dataset": "d", "of": "generator"}, "nothing else has this")
    with running_lock(site.workspace, job.job_id):
        claim(site.store, job.job_id)
        lines = "".join(f'{{"step": {step}, "loss": {3 / step}}}\n' for step in range(1, 9))
        losses_path(site.workspace, job.job_id).write_text(lines, encoding="utf-8")
        page = visit("#training/train").page
        page.wait_for_selector("#training-job .doyen-chart polyline")
        assert page.locator("#training-job .doyen-chart circle").count() == 8
        page.click("#training-stop")
        page.wait_for_function("document.querySelector('#training-job').innerText.includes('running')")
    page.wait_for_selector("#training-job >> text=interrupted")
    page.wait_for_selector("#training-resume", state="visible")


class WorseAssistant(ScriptedAssistant):
    """Answers as the base model does, whatever the mode."""

    def ask(self, question: str, mode: str, **options: Any) -> Answer:
        return super().ask(question, "base", **options)


@pytest.fixture(scope="module")
def runs(site: Any) -> Any:
    """Two runs on the same questions, the second one worse, and one on others."""
    questions, folder = many_questions(6), site.workspace.reports_folder
    evaluate_small_world(questions, folder / "monday", "known:1")
    evaluate_small_world(questions, folder / "tuesday", "known:1", WorseAssistant(questions))
    evaluate_small_world(make_questions(), folder / "other", "known:1")
    return site


def test_two_runs_are_compared_and_followed_over_time(visit: Callable[..., Any], runs: Any) -> None:
    seen = visit("#evaluation/compare/tuesday")
    page = seen.page
    page.wait_for_function("document.querySelector('#report input').value.startsWith('tuesday')")
    page.click("#against input")
    page.get_by_role("option", name="monday").click()
    page.wait_for_selector("#changes >> text=tuesday is surely worse than monday")
    assert page.locator("#changes .doyen-chip.doyen-red").count() > 0
    page.get_by_label("History", exact=True).check()
    page.wait_for_selector("#history >> text=in 2 runs on the 36 questions of tuesday")
    assert page.locator("#history polyline").count() == 2
    page.reload()
    page.wait_for_selector("#history >> text=in 2 runs on the 36 questions of tuesday")
    assert seen.errors == []


def test_questions_are_registered_and_a_run_that_cannot_be_says_why(visit: Callable[..., Any], runs: Any) -> None:
    rows = [{"id": "q", "question": "Which <b>pump</b>?", "answer": "None.", "tags": ["<i>tag</i>"]}]
    (runs.workspace.root / "asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    page = visit("#evaluation/run", width=390).page
    page.wait_for_selector("#register-questions", state="visible")
    page.click("#run-evaluation")
    page.wait_for_selector("text=Choose questions first, or name their file.")
    page.fill("#set-name input, #set-name textarea", "acceptance")
    page.fill("#set-file input, #set-file textarea", "asked.jsonl")
    page.click("#register-questions")
    page.wait_for_selector("#question-sets >> text=<i>tag</i> 1")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.fill("#run-questions input", "nowhere.jsonl")
    page.keyboard.press("Enter")
    page.fill("#run-name input, #run-name textarea", "november")
    page.click("#run-evaluation")
    page.wait_for_selector("#evaluation-job >> text=nowhere.jsonl", timeout=60_000)


def test_two_cards_stand_side_by_side_and_a_version_is_staged(visit: Callable[..., Any], site: Any, tmp_path: Path) -> None:
    (tmp_path / "adapter_model.safetensors").write_bytes(b"weights")
    registry = Registry(site.workspace, site.store)
    for number, rank in ((1, 4), (2, 8)):
        manifest = {
            "inputs": {"base": "0" * 64},
            "fingerprint": f"weights {number}",
            "settings": {"rank": rank, "start_from": "<img src=x onerror=alert(1)>"},
            "losses": [3.0, 2.0, 1.5 / number],
            "validation_loss": 1.25 * number,
        }
        registry.register("qa", tmp_path, base_model="base", dataset_id="d", manifest=manifest)
    seen = visit("#adapters/qa:1", width=390)
    page = seen.page
    page.wait_for_selector("#adapter-card >> text=validation loss")
    page.click("#other-version input")
    page.get_by_role("option", name="qa:2").click()
    page.wait_for_function("document.querySelectorAll('#adapter-card .doyen-chart polyline').length === 2")
    page.locator("#adapter-card").get_by_text("Settings", exact=True).click()
    assert page.locator("#adapter-card tr.doyen-differs", has_text="rank").inner_text().split() == ["rank", "4", "8"]
    assert "onerror=alert(1)" in page.inner_text("#adapter-card")
    assert page.query_selector("#adapter-card img") is None
    page.click("#stage")
    page.wait_for_selector("#adapters-said >> text=qa:1 is in staging.")
    assert registry.get("qa:1").stage == "staging"
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert seen.errors == []
