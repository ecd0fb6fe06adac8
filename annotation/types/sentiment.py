"""Sentiment: the one feeling that a text has; words and answers are those of classification."""

from __future__ import annotations

from doyen.annotation.types.classification import answer, parse, row
from doyen.annotation.types.descriptions import TaskDescription
from doyen.annotation.types.matching import match_sentiment as propose

__all__ = ["answer", "instruction", "parse", "propose", "row"]


def instruction(description: TaskDescription) -> str:
    """Return what a model is asked to do."""
    return "Which feeling does the text have? Answer with one name only."
