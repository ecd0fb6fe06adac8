"""General requests with responses, written for Doyen: what is replayed, and what the Fisher information is estimated on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from doyen.core.prompts import build_messages, encode_example
from doyen.core.records import Pair, read_records
from doyen.core.settings import FinetuneSettings
from doyen.finetune.packing import EncodedExample, Row, pack

GENERAL_PAIRS = Path(__file__).with_name("general_pairs.jsonl")
GENERAL = "general"
"""Value of ``finetune.replay`` that stands for these."""
FISHER_FORMAT = 1
"""Raised when the same base and pairs would give another Fisher information than before."""
REPLAY_FORMAT = 1
"""Raised when the same pairs would give other rows than before."""


def replayed_pairs(replay: str | None) -> list[Pair]:
    """Return the pairs that ``finetune.replay`` names: "general", a pairs.jsonl, or none.

    Raises:
        InputError, RecordError: the file cannot be read.
    """
    if replay is None:
        return []
    return read_records(GENERAL_PAIRS if replay == GENERAL else Path(replay), Pair)


def general_examples(tokenizer: Any, pairs: Sequence[Pair] | None = None) -> list[EncodedExample]:
    """Return pairs as serving asks them without passages; None takes our own."""
    given = read_records(GENERAL_PAIRS, Pair) if pairs is None else pairs
    encoded = [encode_example(tokenizer, build_messages(pair.prompt, (), pair.history), pair.response) for pair in given]
    return [EncodedExample(tuple(prompt), tuple(response)) for prompt, response in encoded]


def general_rows(tokenizer: Any, pairs: Sequence[Pair], max_tokens: int) -> list[Row]:
    """Return a row for each pair that fits."""
    examples = general_examples(tokenizer, pairs)
    return [pack([item]) for item in examples if len(item.prompt_ids) + len(item.response_ids) <= max_tokens]


def replay_rows(tokenizer: Any, pairs: Sequence[Pair], settings: FinetuneSettings, asked: int, number: int) -> list[Row]:
    """Return the rows of general pairs for one pass: their share of all its examples; over the passes all take turns.

    Args:
        asked: examples of the domain in this pass.
        number: of the pass.
    """
    rows = general_rows(tokenizer, pairs, settings.max_tokens)
    if not rows:
        return []
    wanted = round(asked * settings.replay_share / (1 - settings.replay_share))
    random.Random(f"{settings.seed}/replay").shuffle(rows)
    return [rows[(number * wanted + place) % len(rows)] for place in range(wanted)]
