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
from doyen.eval.ragas_metrics import JUDGED_METRICS, Embed, RagasJudge, TokenCount
from doyen.eval.scores import to_sample

JUDGEMENTS = "judgements.jsonl"


def judge_answers(
    questions: Sequence[Question],
    records: Mapping[str, Sequence[AnswerRecord]],
    embed: Embed | None,
    settings: EvalSettings,
    out: Path,
    reporter: Reporter,
    *,
    usage: TokenCount | None = None,
) -> dict[tuple[str, str], dict[str, Any]]:
    """Return (mode, question id) → judged metric → score (None for NaN), for the answerable questions.

    Judgements of an earlier run by the same judge on the same answer and references are kept.

    Args:
        usage: takes the judge's tokens and how many answers were judged just now.

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
        judge.usage = usage or judge.usage
        judge.usage.judged += len(waiting)
        judge.score(list(pending.values()), keep)
    return {place: {name: known[judged].get(name) for name in JUDGED_METRICS} for place, judged in keys.items()}


def count_unjudged(
    questions: Sequence[Question], records: Mapping[str, Sequence[AnswerRecord]], settings: EvalSettings, out: Path
) -> int:
    """Return how many answers are still to be judged: of each mode one for each answerable question, but for those known.

    Args:
        records: the answers that are known, by mode, perhaps not to all questions.
    """
    known = JsonLines(out / JUDGEMENTS).read()
    left = 0
    for answers in records.values():
        by_question = {record.id: record for record in answers}
        for question in questions:
            record = by_question.get(question.id)
            judged = record is not None and _key(question, record, settings) in known
            left += question.answerable and not judged
    return left


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
