"""Missing values: which rows lack what, and the rule by which each was filled, left out or kept; the report names them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from doyen.core.errors import InputError
from doyen.core.evidence import Evidence
from doyen.core.records import REFUSAL, Pair
from doyen.core.settings import DatasetSettings
from doyen.core.text import is_blank
from doyen.finetune.gold_passages import SourceDocument

if TYPE_CHECKING:
    from doyen.finetune.dataset.labels import Cleaned


def fill_missing(cleaned: Cleaned, documents: Mapping[str, SourceDocument], recipe: DatasetSettings) -> None:
    """Apply the recipe's rules to pairs without source, evidence or date.

    Raises:
        InputError: a date is missing that a split by time needs, and the rule is to fail.
    """
    answerable = [pair for pair in cleaned.pairs if pair.answerable]
    _apply(cleaned, "source", [pair for pair in answerable if pair.source is None], recipe.missing_source)
    unquoted = [pair for pair in cleaned.pairs if pair.answerable and pair.source and not pair.evidence]
    _apply(cleaned, "evidence", unquoted, recipe.missing_evidence)
    if recipe.missing_evidence == "response":
        _quote_responses(cleaned, {pair.id for pair in unquoted}, documents)
    undated = [pair for pair in cleaned.pairs if pair.created_at is None]
    if recipe.split == "time":
        if undated and recipe.missing_date == "fail":
            raise InputError(
                f"{len(undated)} pairs have no created_at, the first is {undated[0].id!r}: a split by time needs it"
            )
        _apply(cleaned, "created_at", undated, recipe.missing_date)


def complete_rows(rows: Iterable[dict[str, Any]], rule: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Apply the rule for rows of a file that have no response.

    Args:
        rule: ``dataset.missing_response``.

    Returns:
        The rows, and what is to be reported.
    """
    kept: list[dict[str, Any]] = []
    empty = 0
    for row in rows:
        value = row.get("response")
        if "response" in row and (value is None or (isinstance(value, str) and is_blank(value))):
            empty += 1
            if rule == "drop":
                continue
            row = {**row, "response": REFUSAL} if rule == "refuse" else row
        kept.append(row)
    return kept, [{"field": "response", "rows": empty, "rule": rule}] if empty else []


def _apply(cleaned: Cleaned, name: str, pairs: list[Pair], rule: str) -> None:
    if pairs:
        cleaned.missing.append({"field": name, "rows": len(pairs), "rule": rule})
    if rule == "drop":
        cleaned.drop("missing", {pair.id: f"it has no {name}" for pair in pairs})


def _quote_responses(cleaned: Cleaned, ids: set[str], documents: Mapping[str, SourceDocument]) -> None:
    """Take the response as the quote where the document holds it word for word."""
    quoted = [
        pair.model_copy(update={"evidence": [pair.response]})
        if pair.id in ids and Evidence(pair.response).verbatim_in(documents[str(pair.source)].text)
        else pair
        for pair in cleaned.pairs
    ]
    count = sum(before is not after for before, after in zip(cleaned.pairs, quoted, strict=True))
    cleaned.pairs = quoted
    if ids:
        cleaned.notes.append(f"{count} of {len(ids)} missing quotes were taken from the response")
