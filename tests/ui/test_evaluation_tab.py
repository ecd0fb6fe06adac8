"""The evaluation tab in a real browser: question sets, a run, two runs compared, a figure over the runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from support.evaluation_world import ScriptedAssistant, evaluate_small_world, make_questions, many_questions

from doyen.core.answers import Answer

pytestmark = pytest.mark.browser


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
