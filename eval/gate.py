"""Rules that a report must meet before an adapter is promoted, each judged by what its figures can show.

rule                                    figure   n    interval       met
token_f1 of hybrid above rag            +0.31    417  +0.27 to +0.35  yes  (p 0.0005)
refusal_accuracy of hybrid >= 0.8       1.00       2  0.16 to 1.00    no   2 of 2 may be luck: 30 questions are needed
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from doyen.core.errors import NotFoundError, SettingsError, StateError
from doyen.core.report_files import ALPHA, ENOUGH
from doyen.core.settings import GATE_RULE, GateSettings, Settings
from doyen.core.statistics import rate_bounds
from doyen.eval.metrics import is_rate
from doyen.eval.report import Report
from doyen.finetune.forgetting import FORGETTING
from doyen.finetune.registry import GENERATOR, READER, Adapter

MOST_QUESTIONS = 5000
"""Beyond so many questions no sample size is named."""


@dataclass(frozen=True)
class Verdict:
    """What became of one rule.

    Attributes:
        rule: in words.
        met: whether the report shows it.
        why: what is missing and what would help; empty when the rule is met.
        figure: mean or difference that the rule is about; None where there is none.
        n: questions behind it.
        low: lower end of its 95% interval, exact for rates.
        high: upper end.
        p: of differences.
    """

    rule: str
    met: bool
    why: str = ""
    figure: float | None = None
    n: int | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as it stands in report.json."""
        return {name: round(value, 6) if isinstance(value, float) else value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class AtLeast:
    """The 95% interval of a mode's metric lies on the right side of a bound.

    Attributes:
        at_most: the bound is an upper one.
        tag: look at the questions with this tag only.
    """

    mode: str
    metric: str
    bound: float
    at_most: bool = False
    tag: str | None = None

    def judge(self, report: Report) -> Verdict:
        """Return the verdict.

        Raises:
            NotFoundError: this was not evaluated.
        """
        found = report.metric(self.mode, self.metric, self.tag)
        mean, n = found["mean"], found.get("n") or 0
        if mean is None:
            return Verdict(str(self), False, f"it has no value ({found.get('nan', 0)} NaN)", n=n)
        low, high = found.get("low"), found.get("high")
        if not n:
            return Verdict(str(self), False, _too_few(n), mean, n, low, high)
        if is_rate(self.metric):
            exact = rate_bounds(round(mean * n), n)
            # Intervals of whole documents are wider still.
            low, high = (exact[0] if low is None else min(low, exact[0])), (exact[1] if high is None else max(high, exact[1]))
        why = _too_few(n) or self._why(mean, n, low, high)
        return Verdict(str(self), not why, why, mean, n, low, high)

    def _why(self, mean: float, n: int, low: float | None, high: float | None) -> str:
        if low is None or high is None:
            return "its values are too equal for an interval"
        if (high <= self.bound) if self.at_most else (low >= self.bound):
            return ""
        end = f"up to {high:.3f}" if self.at_most else f"down to {low:.3f}"
        missed = f"{mean:.3f} of {n} questions may be {end}, and {self._side()} {self.bound:g} is needed"
        enough = self._enough(mean, n) if is_rate(self.metric) else None
        return f"{missed}; at this rate {enough} questions would show it" if enough else missed

    def _enough(self, rate: float, n: int) -> int | None:
        """Return how many questions would show the rule at this rate, or None where none would."""
        for wanted in range(n + 1, MOST_QUESTIONS):
            successes = math.ceil(rate * wanted) if self.at_most else math.floor(rate * wanted)
            low, high = rate_bounds(successes, wanted)
            if (high <= self.bound) if self.at_most else (low >= self.bound):
                return wanted
        return None

    def _side(self) -> str:
        return "at most" if self.at_most else "at least"

    def __str__(self) -> str:
        where = f" on {self.tag}" if self.tag else ""
        return f"{self.metric} of {self.mode}{where} is surely {self._side()} {self.bound:g}"


@dataclass(frozen=True)
class Beats:
    """Mode ``a`` beats mode ``b`` on the same questions: p below 0.05 and the 95% interval of the difference above zero.

    Attributes:
        if_evaluated: the rule holds only for reports that evaluated ``b``.
    """

    a: str
    b: str
    metric: str = "token_f1"
    if_evaluated: bool = False

    def judge(self, report: Report) -> Verdict:
        """Return the verdict.

        Raises:
            NotFoundError: the report does not compare the two.
        """
        for item in report.data.get("comparisons", []):
            if item["metric"] == self.metric and {item["a"], item["b"]} == {self.a, self.b}:
                delta, low, high, n, p = (item.get(name) for name in ("delta", "low", "high", "n", "p"))
                if item["a"] != self.a:
                    delta, low, high = -delta, None if high is None else -high, None if low is None else -low
                why = _too_few(n) or self._why(delta, low, p)
                return Verdict(str(self), not why, why, delta, n, low, high, p)
        raise NotFoundError(f"the report does not compare {self.a} with {self.b} on {self.metric}: evaluate both modes")

    def _why(self, delta: float, low: float | None, p: float | None) -> str:
        if low is None or p is None:
            return "the differences are too equal for an interval"
        if p >= ALPHA:
            return f"the difference of {delta:+.3f} may be chance: p is {p:.4f} and must be below {ALPHA:g}"
        return "" if low > 0 else f"the difference of {delta:+.3f} may be down to {low:+.3f}: the interval must lie above 0"

    def __str__(self) -> str:
        return f"{self.metric} of {self.a} is surely above that of {self.b}"


Rule = AtLeast | Beats


def read_rules(settings: Settings, kind: str = GENERATOR) -> list[Rule]:
    """Return the rules of ``eval.gate``, in their order: those for adapters of the generator, or those for readers."""
    gate = settings.eval.gate
    return [_read_rule(text) for text in (gate.reader_rules if kind == READER else gate.rules)]


def _read_rule(text: str) -> Rule:
    parts = re.fullmatch(GATE_RULE, text)
    if parts is None:
        raise SettingsError("eval.gate.rules", [f"{text!r} is no rule: write one as 'hybrid token_f1 > rag'"])
    if parts["other"]:
        return Beats(parts["mode"], parts["other"], parts["metric"], if_evaluated=parts["optional"] is not None)
    return AtLeast(parts["mode"], parts["metric"], float(parts["bound"]), at_most=parts["side"] == "<=", tag=parts["tag"])


def judge_report(
    report: Report,
    excluded: Collection[str] | None,
    rules: Sequence[Rule],
    *,
    adapter: Adapter | None = None,
    forgetting: GateSettings | None = None,
) -> list[Verdict]:
    """Return the verdict of each rule; the gate is open when all are met.

    A rule about something that was not evaluated is not met.

    Args:
        excluded: hashes of the questions that the adapter's dataset kept out of training (`Question.asked_hash`); None
            when the dataset does not say.
        adapter: the one to be promoted, which must be the one that was evaluated; None asks about the report's own.
        forgetting: limits of what its training may have lost; None asks nothing of it.
    """
    verdicts = [_own(report, adapter)] if adapter is not None else []
    verdicts.append(_held_out(report, excluded))
    for rule in rules:
        if isinstance(rule, Beats) and rule.if_evaluated and rule.b not in report.data["modes"]:
            continue
        try:
            verdicts.append(rule.judge(report))
        except NotFoundError as error:
            verdicts.append(Verdict(str(rule), False, str(error)))
    if adapter is not None and adapter.kind == GENERATOR and forgetting is not None:
        verdicts += _forgot(adapter, forgetting)
    return verdicts


def require_gate(
    report: Report,
    adapter: Adapter,
    excluded: Collection[str] | None,
    rules: Sequence[Rule],
    forgetting: GateSettings | None = None,
) -> None:
    """Let an adapter pass whose own report meets the rules.

    Raises:
        StateError: a rule is not met; the message has a line for each.
    """
    verdicts = judge_report(report, excluded, rules, adapter=adapter, forgetting=forgetting)
    if not all(verdict.met for verdict in verdicts):
        raise StateError(
            f"report {report.folder.name!r} does not let {adapter.ref} be promoted (a written reason overrides):\n"
            + verdict_text([verdict.to_json() for verdict in verdicts])
        )


def verdict_text(verdicts: Sequence[dict[str, Any]]) -> str:
    """Return a line for each rule, and under it what is missing."""
    lines = []
    for item in verdicts:
        figure = "" if item["figure"] is None else f"{item['figure']:.3f}"
        ends = "" if item["low"] is None else f", {item['low']:.3f} to {item['high']:.3f}"
        p = "" if item["p"] is None else f", p {item['p']:.4f}"
        n = "" if item["n"] is None else f"{', ' if figure else ''}n {item['n']}"
        lines.append(f"  {'met' if item['met'] else 'not met'}: {item['rule']}")
        told = "; ".join(part for part in (f"{figure}{ends}{p}{n}", item["why"]) if part)
        lines += textwrap.wrap(told, 86, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def _own(report: Report, adapter: Adapter) -> Verdict:
    """Names and versions recur in other workspaces and after a loss: the fingerprint of the training decides."""
    part = "reader" if adapter.kind == READER else "adapter"
    about, trained = report.data.get(part), report.data.get(f"{part}_fingerprint")
    why = ""
    if about != adapter.ref:
        why = f"it is about {about or f'no {part}'}: evaluate that one"
    elif trained is None:
        why = "it does not say which training it is about, as reports of earlier versions: run `doyen eval run` again"
    elif trained != adapter.manifest.get("fingerprint"):
        why = f"it is about another {adapter.ref}, trained on something else: evaluate this one with `doyen eval run`"
    return Verdict(f"the report is about {adapter.ref}", not why, why)


def _forgot(adapter: Adapter, limits: GateSettings) -> list[Verdict]:
    """Judge the probe before and after the training: a loss beyond its limit that is no chance closes the gate."""
    found = adapter.manifest.get(FORGETTING, {}).get("change")
    answers, perplexity = limits.max_forgetting, limits.max_perplexity_rise
    verdicts = []
    if answers is not None:
        rule = f"no loss of general answers by the training beyond {answers:g} is shown"
        verdicts.append(_lost(adapter, rule, found and found["answers"], -1, answers, "max_forgetting"))
    if perplexity is not None:
        rule = f"no rise of the perplexity of general texts by the training beyond {perplexity:.0%} is shown"
        verdicts.append(_lost(adapter, rule, found and found["text"], 1, math.log1p(perplexity), "max_perplexity_rise"))
    return verdicts


def _lost(adapter: Adapter, rule: str, change: dict[str, Any] | None, worse: int, limit: float, setting: str) -> Verdict:
    """Return the verdict on a change that is a loss where it has the sign of ``worse``."""
    if change is None:
        why = f"it was not probed: run `doyen adapters probe {adapter.ref}`, or set eval.gate.{setting} to nothing"
        return Verdict(rule, False, why)
    delta, p = change["delta"], change["p"]
    closed = worse * delta > limit and p < ALPHA
    remedy = 'train again with finetune.replay = "general", finetune.ewc, fewer epochs or a lower learning rate'
    return Verdict(rule, not closed, remedy if closed else "", delta, change["n"], change["low"], change["high"], p)


def _held_out(report: Report, excluded: Collection[str] | None) -> Verdict:
    rule = "all questions differ and were kept out of training"
    questions = report.data.get("questions", {})
    asked = questions.get("hashes")
    if asked is None:
        return Verdict(rule, False, "the report does not say which questions it asked: run the evaluation again")
    n, different = questions.get("n", len(asked)), len(set(asked))
    if different < n:
        why = f"only {different} of the {n} questions differ, and copies show nothing: run the evaluation again"
        return Verdict(rule, False, why, n=different)
    if excluded is None:
        why = "the adapter's dataset does not say which questions it kept out: build it again with --frozen"
        return Verdict(rule, False, why, n=len(asked))
    missing = len(set(asked) - set(excluded))
    why = (
        f"{missing} of {len(asked)} were not: build the dataset with these questions registered or as --frozen and train again"
    )
    return Verdict(rule, not missing, why if missing else "", n=len(asked))


def _too_few(n: int | None) -> str:
    return (
        ""
        if n is not None and n >= ENOUGH
        else f"{n or 0} questions show too little: at least {ENOUGH} of this kind are needed"
    )
