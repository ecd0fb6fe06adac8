"""Fixtures of the evaluation's tests: questions, a scripted assistant, and one finished evaluation that tests share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support.evaluation_world import (
    OverlapRetriever,
    ScriptedAssistant,
    embed,
    evaluate_small_world,
    make_questions,
    many_questions,
)

from doyen.core.records import Question
from doyen.core.settings import EvalSettings, Settings
from doyen.eval.report import Report
from doyen.eval.run import run_evaluation

MODES = ("base", "rag", "finetune", "hybrid")


@pytest.fixture
def questions() -> list[Question]:
    return make_questions()


def evaluate(assistant: ScriptedAssistant, questions: list[Question], out: Path, **changes: Any) -> Report:
    """Run an evaluation with the small world's parts, some of them changed."""
    options: dict[str, Any] = {
        "modes": MODES,
        "out": out,
        "settings": Settings(name="Pumps <Ltd>", eval=EvalSettings(bootstrap_samples=400)),
        "manifest_inputs": {"index": "i1", "model": "m1", "adapter": "sha-a"},
        "adapter": "demo:1",
        "embed": embed,
    }
    return run_evaluation(assistant, OverlapRetriever(), questions, **(options | changes))


@pytest.fixture
def run_it() -> Callable[..., Report]:
    return evaluate


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A finished evaluation of the small world; tests only read it."""
    questions = make_questions()
    return evaluate(ScriptedAssistant(questions), questions, tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """An evaluation of 96 questions, 32 of them unanswerable, all of which the dataset kept out; tests only read it."""
    return evaluate_small_world(many_questions(16), tmp_path_factory.mktemp("shown"), "demo:1")
