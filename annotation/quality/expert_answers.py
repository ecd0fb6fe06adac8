"""What an expert's answer in a review project says, and why one decides nothing."""

from __future__ import annotations

from doyen.annotation.labelstudio.regions import Result
from doyen.core.store.schema import AnnotationTaskRow

REASON = "reason"
"""The field of a review task in which the expert says why."""


def label_part(result: Result) -> Result:
    """Return the regions that make the label: an expert's reason is none."""
    return [region for region in result if not (isinstance(region, dict) and region.get("from_name") == REASON)]


def reason_of(result: Result) -> str:
    """Return what the expert wrote as the reason; empty where that is nothing."""
    fields = [region for region in result if isinstance(region, dict) and region.get("from_name") == REASON]
    texts = [text for region in fields for text in (region.get("value") or {}).get("text") or []]
    return "\n".join(text for text in texts if isinstance(text, str)).strip()


def not_asked(task: AnnotationTaskRow, annotator: str) -> str | None:
    """Return which expert was asked instead of this person; None where the person's answer counts."""
    expert = (task.origin or {}).get("expert")
    return expert if expert is not None and expert.casefold() != annotator.casefold() else None


def why_undecided(task: AnnotationTaskRow, annotator: str, result: Result) -> str | None:
    """Return why an expert's answer decides nothing, valid or not; None where it may decide."""
    if asked := not_asked(task, annotator):
        return f"it decides nothing, because {asked} was asked: change that with `adjudicate --expert`"
    if not reason_of(result):
        return "it decides nothing, because it gives no reason: write one over there, then pull again"
    return None
