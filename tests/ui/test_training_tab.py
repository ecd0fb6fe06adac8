"""The tab of datasets and training in a real browser: a dataset is built and read; what is missing is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from doyen.annotation import create_project, import_pairs
from doyen.core.jobs import add_job, claim, losses_path, running_lock
from doyen.core.records import Pair

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
