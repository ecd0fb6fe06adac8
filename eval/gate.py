"""Rules that a report must meet before an adapter is promoted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from doyen.eval.report import Report
from doyen.platform.core.errors import NotFoundError, StateError


@dataclass(frozen=True)
class AtLeast:
    """A mode's metric reaches a bound (or, with ``at_most``, stays under it).

    Attributes:
        bound: for the mean.
        at_most: the bound is an upper one.
        tag: look at the questions with this tag only.
    """

    mode: str
    metric: str
    bound: float
    at_most: bool = False
    tag: str | None = None

    def problem(self, report: Report) -> str | None:
        """Return why the rule is not met, or None."""
        found = report.metric(self.mode, self.metric, self.tag)
        mean = found["mean"]
        sign = "at most" if self.at_most else "at least"
        if mean is None:
            return f"{self.metric} of {self.mode} has no value ({found['nan']} NaN): {sign} {self.bound:g} is needed"
        met = mean <= self.bound if self.at_most else mean >= self.bound
        return None if met else f"{self.metric} of {self.mode} is {mean:.3f}: {sign} {self.bound:g} is needed"


@dataclass(frozen=True)
class Beats:
    """Mode ``a`` beats mode ``b`` on the same questions: the 95% interval of the difference lies above zero."""

    a: str
    b: str
    metric: str = "token_f1"

    def problem(self, report: Report) -> str | None:
        """Return why the rule is not met, or None."""
        for item in report.data["comparisons"]:
            if item["metric"] == self.metric and {item["a"], item["b"]} == {self.a, self.b}:
                low, high = item["low"], item["high"]
                if item["a"] != self.a:
                    low, high = -high, -low
                if low > 0:
                    return None
                return (
                    f"{self.metric} of {self.a} minus {self.b} has the interval {low:+.3f} to {high:+.3f}: it must lie above 0"
                )
        raise NotFoundError(f"the report does not compare {self.a} with {self.b} on {self.metric}: evaluate both modes")


Rule = AtLeast | Beats

PROMOTION: tuple[Rule, ...] = (
    Beats("hybrid", "rag"),
    AtLeast("hybrid", "refusal_accuracy", 0.8),
    AtLeast("hybrid", "over_refusal", 0.1, at_most=True),
)
"""What `doyen adapters promote` asks of an adapter."""


def check_gate(report: Report, rules: Sequence[Rule] = PROMOTION) -> list[str]:
    """Return a sentence for each rule that the report does not meet; an empty list opens the gate.

    A rule about something that was not evaluated is not met.
    """
    problems = []
    for rule in rules:
        try:
            problem = rule.problem(report)
        except NotFoundError as error:
            problem = str(error)
        if problem:
            problems.append(problem)
    return problems


def require_gate(report: Report, adapter: str, rules: Sequence[Rule] = PROMOTION) -> None:
    """Let an adapter ("name:version") pass whose own report meets the rules.

    Raises:
        StateError: the report is about another adapter, or does not meet the rules; the message says which.
    """
    about = report.data.get("adapter")
    problems = [] if about == adapter else [f"it is about {about or 'no adapter'}, not {adapter}: evaluate that one"]
    problems += check_gate(report, rules)
    if problems:
        listed = "\n  - ".join(problems)
        raise StateError(f"report {report.folder.name!r} does not let {adapter} be promoted (force overrides):\n  - {listed}")
