"""Having answers judged by a model, and keeping the judgements, which cost time and money."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from doyen.core.errors import SettingsError, UsageError
from doyen.core.manifest import fingerprint
from doyen.core.progress import Reporter
from doyen.core.records import Question
from doyen.core.settings import EvalSettings
from doyen.eval.answer_log import AnswerRecord, JsonLines
from doyen.eval.ragas_metrics import JUDGED_METRICS, Embed, RagasJudge
from doyen.eval.scores import to_sample

JUDGEMENTS = "judgements.jsonl"


def judge_answers(
    questions: Sequence[Question],
    records: Mapping[str, Sequence[AnswerRecord]],
    embed: Embed | None,
    settings: EvalSettings,
    out: Path,
    reporter: Reporter,
) -> dict[tuple[str, str], dict[str, Any]]:
    """Return (mode, question id) → judged metric → score (None for NaN), for the answerable questions.

    Judgements of an earlier run by the same judge on the same answer and references are kept.

    Raises:
        SettingsError: a judge's address without a model.
        ServiceError: the judge cannot be reached or fails; what was judged is kept.
    """
    if not settings.judge_url or not settings.judge_model:
        raise SettingsError("[eval]", ["judge_model: name the judge's model, as its server calls it"])
    if embed is None:
        raise UsageError("judged metrics compare questions by an embedder: give one to the evaluation")
    lines = JsonLines(out / JUDGEMENTS)
    known = lines.read()
    pending = {}
    keys: dict[tuple[str, str], str] = {}
    for question, record in _answerable(questions, records):
        key = keys[record.mode, question.id] = _key(question, record, settings)
        if key not in known:
            pending[key] = to_sample(question, record)
    waiting = list(pending)
    with lines.appending() as file, reporter.bar("Judging", len(waiting)) as bar:

        def keep(index: int, scores: dict[str, float]) -> None:
            line = {name: None if math.isnan(score) else score for name, score in scores.items()}
            known[waiting[index]] = line
            file.write(json.dumps({"key": waiting[index], **line}) + "\n")
            bar.advance()

        judge = RagasJudge(settings.judge_url, settings.judge_model, settings.judge_api_key.get_secret_value(), embed)
        judge.score(list(pending.values()), keep)
    return {place: {name: known[judged].get(name) for name in JUDGED_METRICS} for place, judged in keys.items()}


def _answerable(
    questions: Sequence[Question], records: Mapping[str, Sequence[AnswerRecord]]
) -> list[tuple[Question, AnswerRecord]]:
    return [
        (question, record)
        for answers in records.values()
        for question, record in zip(questions, answers, strict=True)
        if question.answerable
    ]


def _key(question: Question, record: AnswerRecord, settings: EvalSettings) -> str:
    contexts = [passage.text for passage in record.passages]
    judge = [settings.judge_url, settings.judge_model]
    return fingerprint([judge, question.question, list(question.answers), record.answer, contexts])
