"""What an evaluation takes, counted as it goes: time, tokens, memory and money."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from doyen.core.costs import Spent, price
from doyen.core.memory import peak_memory_with_children_mb
from doyen.core.settings import Settings
from doyen.eval.answer_log import AnswerRecord
from doyen.eval.ragas_metrics import TokenCount


@dataclass
class Watch:
    """Counts what an evaluation takes, as it goes.

    Attributes:
        answers: records that were asked for just now.
        judge: what the judge was given just now.
    """

    answers: list[AnswerRecord] = field(default_factory=list)
    answering_s: float = 0.0
    judging_s: float = 0.0
    judge: TokenCount = field(default_factory=TokenCount)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Count the time of the block as that of answering."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.answering_s += time.monotonic() - started

    @contextmanager
    def judging(self) -> Iterator[None]:
        """Count the time of the block as that of judging."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.judging_s += time.monotonic() - started

    def spent(self, settings: Settings, answers: float = 1.0, judgements: float = 1.0) -> Spent:
        """Return what was taken, or what so many times as many answers and judgements take."""
        read = answers * sum(record.usage.prompt_tokens for record in self.answers)
        written = answers * sum(record.usage.completion_tokens for record in self.answers)
        judge_read, judge_written = judgements * self.judge.prompt, judgements * self.judge.completion
        answering, judging = answers * self.answering_s, judgements * self.judging_s
        costs = settings.costs
        money = price(costs, settings.serving.model, read, written, answering)
        money += price(costs, settings.eval.judge_model, judge_read, judge_written, judging) if self.judge.judged else 0.0
        return Spent(
            units=round(answers * len(self.answers) + judgements * self.judge.judged),
            seconds=round(answering + judging, 2),
            memory_mb=round(peak_memory_with_children_mb()),
            prompt_tokens=round(read + judge_read),
            completion_tokens=round(written + judge_written),
            money=round(money, 4),
        )
