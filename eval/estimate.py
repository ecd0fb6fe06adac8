"""What an evaluation takes, found out by asking and judging a few of its questions; what they cost is not lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doyen.core.answers import Answerer
from doyen.core.costs import Estimate, save_estimate
from doyen.core.errors import InputError
from doyen.core.progress import Reporter, Silent
from doyen.core.records import Question
from doyen.core.settings import Settings
from doyen.eval.answer_log import AnswerRecord, JsonLines, evaluation_lock, read_answers
from doyen.eval.identity import answer_key
from doyen.eval.judging import count_unjudged, judge_answers
from doyen.eval.ragas_metrics import Embed
from doyen.eval.run import ANSWERS, ask, choose_questions
from doyen.eval.spending import Watch

PROBED = 3
"""Questions that are asked in each mode, and judged, to estimate the rest."""


@dataclass(frozen=True)
class _Trial:
    """The questions of one mode that were asked.

    Attributes:
        left: how many others are still to be asked.
    """

    questions: list[Question]
    answers: list[AnswerRecord]
    left: int


def estimate_evaluation(
    assistant: Answerer,
    questions: Sequence[Question],
    *,
    modes: Sequence[str],
    out: Path,
    settings: Settings,
    manifest_inputs: Mapping[str, Any],
    adapter: str | None = None,
    sample: int | None = None,
    embed: Embed | None = None,
    reporter: Reporter | None = None,
) -> Estimate:
    """Ask and judge a few questions in each mode and return what the others take; the estimate waits in the report's folder.

    The answers and judgements of the trial are kept as those of a stopped evaluation are: it goes on from them. The arguments
    are those of `run_evaluation`.

    Raises:
        InputError: nothing is left to ask and to judge; else as `run_evaluation`.
    """
    reporter = reporter or Silent()
    chosen = choose_questions(questions, modes, sample, settings, reporter)
    with evaluation_lock(out):
        known, watch = read_answers(out / ANSWERS), Watch()
        keys = {mode: {answer_key(each, mode, settings, manifest_inputs, adapter): each for each in chosen} for mode in modes}
        answered = {mode: [known[key] for key in keys[mode] if key in known] for mode in modes}
        trials = {}
        for mode in modes:
            missing = {key: each for key, each in keys[mode].items() if key not in known}
            trials[mode] = _ask_some(assistant, mode, missing, out / ANSWERS, adapter, watch)
        left, unjudged = sum(trial.left for trial in trials.values()), 0
        if settings.eval.judge_url:
            unjudged = count_unjudged(chosen, answered, settings.eval, out)
            for mode, trial in trials.items():
                with watch.judging():
                    given = trial.questions, {mode: trial.answers}
                    judge_answers(*given, embed, settings.eval, out, reporter, usage=watch.judge)
            unjudged -= watch.judge.judged
        if left + unjudged <= 0:
            raise InputError(f"nothing is left to ask and to judge: run the evaluation, it takes what is in {out}")
        expected = watch.spent(settings, left / max(1, len(watch.answers)), unjudged / max(1, watch.judge.judged))
        trial_said = f"by {len(watch.answers)} answers and {watch.judge.judged} judgements of them, which are kept"
        estimate = Estimate("evaluating", "answers and judgements", expected, trial_said, settings.costs.currency)
        save_estimate(out, estimate)
        return estimate


def _ask_some(
    assistant: Answerer, mode: str, missing: Mapping[str, Question], path: Path, adapter: str | None, watch: Watch
) -> _Trial:
    """Ask a few of the questions that are not answered yet, and keep the answers as a stopped evaluation does."""
    chosen = list(missing)[:: max(1, len(missing) // PROBED)][:PROBED]
    if chosen:
        # The first answer loads the model, which an evaluation does once. Another question, since what is found is kept.
        last = missing[list(missing)[-1]]
        assistant.ask(last.question, mode, history=last.history, adapter=adapter, record=False)
    answers = []
    with JsonLines(path).appending() as lines:
        for key in chosen:
            with watch.answering():
                answers.append(ask(assistant, missing[key], mode, adapter, key))
            lines.write(answers[-1].to_line())
    watch.answers += answers
    return _Trial([missing[key] for key in chosen], answers, len(missing) - len(chosen))
