"""From contexts to batches of packed rows: what the trainer consumes."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doyen.core.answers import Passage
from doyen.core.files import write_text_atomic
from doyen.core.prompts import build_messages, encode_example
from doyen.finetune.mining import MinedPair
from doyen.finetune.packing import EncodedExample, Row, pack, pack_within
from doyen.finetune.raft import Context, Example, Kind

OWN_RESPONSE: tuple[Kind, ...] = ("gold", "unanswerable")
"""Kinds of examples whose response is the pair's own, and can be told from what they show."""
Answered = Callable[[Example, Sequence[Passage]], bool]
BRANCH_TOKENS = 640
"""Tokens that branches may add to a row's prefix; bounds the memory of a training step."""


@dataclass
class Encoded:
    """Rows of one round, with what they hold.

    Attributes:
        kinds: number of examples of each kind.
        too_long: examples that were left out because even one passage did not fit.
    """

    rows: list[Row] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    too_long: int = 0


def evidence_check(mined: Sequence[MinedPair]) -> Answered:
    """Return a function that says whether passages hold the evidence of a mined pair's example."""
    pairs = {item.pair.id: item for item in mined}
    return lambda example, passages: pairs[example.pair_id].answered_by(passages)


def encode_contexts(
    tokenizer: Any, contexts: Sequence[Context], answered: Answered, *, max_tokens: int, max_branches: int, share: bool
) -> Encoded:
    """Render contexts with the prompts of serving and pack each into rows.

    Args:
        answered: whether the passages that are left still answer an example.
        max_tokens: prompt and response of one example; passages are dropped from the end of a context until all fit.
        share: whether examples may share a row; otherwise each gets its own.
    """
    result = Encoded()
    for context in contexts:
        kept, examples = _fit(tokenizer, context, answered, max_tokens)
        result.too_long += len(context.examples) - len(kept)
        result.kinds.update(example.kind for example in kept)
        if not share:
            result.rows += [pack([example]) for example in examples]
        elif examples:
            longest = pack(examples)
            result.rows += pack_within(examples, len(longest.prefix) + BRANCH_TOKENS, max_branches)
    return result


def _fit(tokenizer: Any, context: Context, answered: Answered, max_tokens: int) -> tuple[list[Example], list[EncodedExample]]:
    """Drop passages until the examples fit; examples that lose their gold passage that way are left out."""
    passages = list(context.passages)
    kept = list(context.examples)
    while True:
        encoded = [_encode(tokenizer, example, passages) for example in kept]
        fits = [len(item.prompt_ids) + len(item.response_ids) <= max_tokens for item in encoded]
        if all(fits):
            return kept, encoded
        if len(passages) <= 1:
            kept = [example for example, fit in zip(kept, fits, strict=True) if fit]
            continue
        passages.pop()
        kept = [example for example in kept if example.kind != "gold" or answered(example, passages)]


def _encode(tokenizer: Any, example: Example, passages: Sequence[Passage]) -> EncodedExample:
    messages = build_messages(example.prompt, passages, example.history)
    prompt_ids, response_ids = encode_example(tokenizer, messages, example.response)
    pair = example.pair_id if example.kind in OWN_RESPONSE else ""
    return EncodedExample(tuple(prompt_ids), tuple(response_ids), pair)


def make_batches(rows: Sequence[Row], batch_size: int, seed: str) -> list[list[Row]]:
    """Shuffle rows and put them into batches of at least ``batch_size`` examples; a small rest joins the last batch."""
    order = list(rows)
    random.Random(seed).shuffle(order)
    batches: list[list[Row]] = [[]]
    for row in order:
        if sum(len(item.branches) for item in batches[-1]) >= batch_size:
            batches.append([])
        batches[-1].append(row)
    if len(batches) > 1 and sum(len(row.branches) for row in batches[-1]) < batch_size / 2:
        batches[-2:] = [batches[-2] + batches[-1]]
    return [batch for batch in batches if batch]


def epoch_batches(passes: Sequence[Sequence[Row]], epochs: float, batch_size: int, seed: int) -> list[list[Row]]:
    """Return the batches of all passes over the examples, each shuffled anew; of a last pass that is not whole, the first ones.

    Args:
        passes: the rows of each, as many as ``epochs`` begins.
    """
    batches: list[list[Row]] = []
    for number, rows in enumerate(passes):
        made = make_batches(rows, batch_size, f"{seed}/{number}")
        batches += made[: math.ceil(min(1.0, epochs - number) * len(made))]
    return batches


def save_batches(path: Path, batches: Sequence[Sequence[Row]]) -> None:
    """Write batches as JSON lines, so that an interrupted run resumes with the very same ones."""
    lines = [json.dumps([row.to_json() for row in batch], separators=(",", ":")) + "\n" for batch in batches]
    write_text_atomic(path, "".join(lines))


def load_batches(path: Path) -> list[list[Row]]:
    """Read what ``save_batches`` wrote."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [[Row.from_json(value) for value in json.loads(line)] for line in lines]
