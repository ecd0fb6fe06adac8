"""Formats in which datasets are exchanged: how a pair is written as a row of each, and read back.

```
jsonl     {"id", "prompt", "response", "source", "evidence", …}                     one file of pairs a part
messages  {"messages": [{"role": "user", "content": …}, …], …}                      OpenAI, TRL, Axolotl
sharegpt  {"conversations": [{"from": "human", "value": …}, …], …}                  LLaMA-Factory, FastChat
alpaca    {"instruction", "input", "output", "history": [[question, answer], …], …}   Stanford Alpaca, LLaMA-Factory
parquet, huggingface    the columns of jsonl
```
What a format has no place for stays beside it under our own names, so that nothing is lost on the way back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doyen.core.errors import InputError
from doyen.core.files import write_text_atomic
from doyen.core.records import TEXT_MARK, Pair, Turn

Row = dict[str, Any]
OWN = ("id", "source", "evidence", "annotator", "created_at", "group")
"""Fields beside the conversation."""
HUMAN, GPT = "human", "gpt"


@dataclass(frozen=True)
class DatasetFormat:
    """One way to write rows.

    Attributes:
        suffix: of its files.
        to_row: the row of a pair; None as the value of a key means that it is absent.
        from_row: a row as `Pair` reads it.
        write: writes the rows of a part.
    """

    suffix: str
    to_row: Callable[[Pair], Row]
    from_row: Callable[[Row], Row]
    write: Callable[[Path, Sequence[Row]], None]


def own_row(pair: Pair) -> Row:
    """Return a pair as pairs.jsonl has it."""
    return pair.model_dump(exclude_none=True)


def message_row(pair: Pair) -> Row:
    """Return a pair as chat messages."""
    messages = [{"role": turn.role, "content": turn.content} for turn in _turns(pair)]
    return {"messages": messages, **_own(pair)}


def sharegpt_row(pair: Pair) -> Row:
    """Return a pair as ShareGPT's conversation."""
    said = [{"from": HUMAN if turn.role == "user" else GPT, "value": turn.content} for turn in _turns(pair)]
    return {"conversations": said, **_own(pair)}


def alpaca_row(pair: Pair) -> Row:
    """Return a pair as Alpaca's instruction, with the text of a labelling task as its input.

    A history that is no list of questions and answers stands under ``turns``.
    """
    instruction, _, text = pair.prompt.partition(TEXT_MARK)
    if not instruction.strip() or not text.strip():
        instruction, text = pair.prompt, ""
    row: Row = {"instruction": instruction, "input": text, "output": pair.response}
    if [turn.role for turn in pair.history] == ["user", "assistant"] * (len(pair.history) // 2):
        asked, answered = pair.history[::2], pair.history[1::2]
        row["history"] = [[q.content, a.content] for q, a in zip(asked, answered, strict=True)]
    else:
        row["turns"] = [turn.model_dump() for turn in pair.history]
    return {**row, **_own(pair)}


def from_alpaca(row: Row) -> Row:
    """Return Alpaca's row as a pair's fields; other tools' rows have an instruction alone, or one with an input."""
    rest = {name: value for name, value in row.items() if name not in {"instruction", "input", "output", "history"}}
    instruction, text = row.get("instruction") or "", row.get("input") or ""
    history = rest.pop("turns", None) or [
        {"role": role, "content": content}
        for exchange in row.get("history") or []
        for role, content in zip(("user", "assistant"), exchange, strict=False)
    ]
    prompt = f"{instruction}{TEXT_MARK}{text}" if instruction and text else instruction or text
    return {**rest, "prompt": prompt, "response": row.get("output"), "history": history}


def from_own(row: Row) -> Row:
    """Return a row as it is: `Pair` reads pairs, messages and conversations."""
    return row


def write_lines(path: Path, rows: Iterable[Row]) -> None:
    """Write an object on each line."""
    write_text_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def write_list(path: Path, rows: Sequence[Row]) -> None:
    """Write one JSON list, as tools for ShareGPT's and Alpaca's form expect it."""
    write_text_atomic(path, json.dumps(list(rows), ensure_ascii=False, indent=1) + "\n")


def write_parquet(path: Path, rows: Sequence[Row]) -> None:
    """Write Parquet with the columns of a pair, whatever of them the rows hold."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = pa.string()
    turn = pa.struct([("role", text), ("content", text)])
    kinds = {"evidence": pa.list_(text), "history": pa.list_(turn)}
    schema = pa.schema([(name, kinds.get(name, text)) for name in Pair.model_fields])
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path)


FORMATS: dict[str, DatasetFormat] = {
    "jsonl": DatasetFormat(".jsonl", own_row, from_own, write_lines),
    "messages": DatasetFormat(".jsonl", message_row, from_own, write_lines),
    "sharegpt": DatasetFormat(".json", sharegpt_row, from_own, write_list),
    "alpaca": DatasetFormat(".json", alpaca_row, from_alpaca, write_list),
    "parquet": DatasetFormat(".parquet", own_row, from_own, write_parquet),
    "huggingface": DatasetFormat(".parquet", own_row, from_own, write_parquet),
}


def get_format(name: str) -> DatasetFormat:
    """Return a format by its name. Raises InputError where there is none."""
    if name not in FORMATS:
        raise InputError(f"there is no format {name!r} for datasets; known: {', '.join(FORMATS)}")
    return FORMATS[name]


def _turns(pair: Pair) -> list[Turn]:
    return [*pair.history, Turn(role="user", content=pair.prompt), Turn(role="assistant", content=pair.response)]


def _own(pair: Pair) -> Row:
    return {name: value for name in OWN if (value := getattr(pair, name)) is not None and value != []}
