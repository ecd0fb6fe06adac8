"""What another model says of the same texts, read from a file, as a labelling function."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from doyen.core.errors import InputError, RecordError
from doyen.finetune.supervision.weak.functions import TextItem


def read_output(path: Path, at_least: float, *, marks: bool) -> Callable[[TextItem], Any]:
    """Return a function that looks a text up in a file of JSON lines, by its id, else by its words; it abstains elsewhere.

    A line holds "id" or "text", and "label" (classes) or "entities" (``[{"start", "end", "label"}]``); "score" may be there.

    Args:
        at_least: score below which a line does not count.

    Raises:
        InputError: the file cannot be read.
        RecordError: a line is wrong.
    """
    by_id: dict[str, Any] = {}
    by_text: dict[str, Any] = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}): name a file of JSON lines in UTF-8") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            said = (
                [(int(each["start"]), int(each["end"]), each["label"]) for each in row["entities"]] if marks else row["label"]
            )
            counts = float(row.get("score", 1.0)) >= at_least
            if row.get("id") is None and row.get("text") is None:
                raise KeyError("id")
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            needed = "entities" if marks else "label"
            raise RecordError(f"{path}, line {number}: expected id or text, and {needed} ({error!r}): correct it") from error
        if row.get("id") is not None:
            by_id[str(row["id"])] = said if counts else None
        if row.get("text") is not None:
            by_text[str(row["text"])] = said if counts else None
    return lambda item: by_id[item.id] if item.id in by_id else by_text.get(item.text)
