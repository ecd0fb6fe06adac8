"""What a training has made a model forget: the same general rows before and after it.

The rows are our own: general questions, instructions and requests to refuse, each with one right answer among four, and short
texts. An answer scores the probability that the model gives to it among the four, a text its loss a token. Nothing is
generated, so that the probe takes seconds and does not depend on how long a model likes its answers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from doyen.core.files import write_json_atomic
from doyen.core.manifest import fingerprint
from doyen.core.models import cache_folder
from doyen.core.prompts import build_messages, encode_example
from doyen.core.statistics import paired_difference
from doyen.finetune.loss import can_share_prefix, response_logits, row_tensors
from doyen.finetune.packing import Branch, EncodedExample, Row, pack

FORMAT = 1
"""Raised when the same rows would score otherwise than before."""
ROWS = Path(__file__).with_name("probe_rows.jsonl")
TEXTS = Path(__file__).with_name("probe_texts.jsonl")
ANSWERS, TEXT = "answers", "text"
"""Names of the figures over all rows that have answers, and over the texts."""
SAMPLES, SEED = 2000, 17
"""Of the bootstrap."""


@dataclass(frozen=True)
class ProbeRow:
    """A request with answers of which the first is right."""

    id: str
    kind: str
    prompt: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class ProbeScores:
    """How a model does on the probe.

    Attributes:
        right: id of each row to the probability of its right answer among its answers.
        losses: id of each text to its loss in nats a token.
    """

    right: dict[str, float]
    losses: dict[str, float]

    def means(self) -> dict[str, float]:
        """Return the mean probability of each kind and of all rows, and the perplexity of the texts."""
        kinds = {kind: fmean(self.right[row.id] for row in probe_rows() if row.kind == kind) for kind in probe_kinds()}
        shown = {**kinds, ANSWERS: fmean(self.right.values()), "perplexity": math.exp(fmean(self.losses.values()))}
        return {name: round(value, 4) for name, value in shown.items()}


@lru_cache
def probe_rows() -> tuple[ProbeRow, ...]:
    """Return the rows with answers, in their order."""
    lines = map(json.loads, ROWS.read_text(encoding="utf-8").splitlines())
    return tuple(ProbeRow(line["id"], line["kind"], line["prompt"], (line["right"], *line["wrong"])) for line in lines)


def probe_kinds() -> tuple[str, ...]:
    """Return the kinds of rows, in their order."""
    return tuple(dict.fromkeys(row.kind for row in probe_rows()))


def probe_model(model: Any, tokenizer: Any) -> ProbeScores:
    """Return how a model does; it is put into evaluation mode.

    Args:
        model: with the adapter that it answers with.
        tokenizer: of the base model.
    """
    model.eval()
    share = can_share_prefix(model.config)
    right, losses = {}, {}
    with torch.no_grad():
        for row in probe_rows():
            logits = [-loss for packed in _encode(tokenizer, row, share=share) for loss, _ in _losses(model, packed)]
            right[row.id] = float(torch.softmax(torch.tensor(logits, dtype=torch.float64), 0)[0])
        for line in map(json.loads, TEXTS.read_text(encoding="utf-8").splitlines()):
            first, *rest = tokenizer(line["text"], add_special_tokens=False)["input_ids"]
            [(loss, tokens)] = _losses(model, Row((), (Branch((first,), tuple(rest)),)))
            losses[line["id"]] = loss / tokens
    return ProbeScores(right, losses)


def _encode(tokenizer: Any, row: ProbeRow, *, share: bool) -> list[Row]:
    """Return the answers after the prompt with which serving asks without passages, as one row where they may share it."""
    messages = build_messages(row.prompt)
    encoded = [encode_example(tokenizer, messages, answer) for answer in row.answers]
    examples = [EncodedExample(tuple(prompt), tuple(response)) for prompt, response in encoded]
    return [pack(examples)] if share else [pack([example]) for example in examples]


def _losses(model: Any, row: Row) -> Iterator[tuple[float, int]]:
    """Give loss in nats and number of tokens of each branch's response."""
    tensors = row_tensors(row, model.device)
    losses = cross_entropy(response_logits(model, tensors).float(), tensors.targets, reduction="none").double()
    for part in losses.split([len(branch.response_ids) for branch in row.branches]):
        yield float(part.sum()), len(part)


def kept_scores(identity: Sequence[Any]) -> ProbeScores | None:
    """Return the scores of a model that this machine has probed before; ``identity`` tells its weights and number format."""
    try:
        return ProbeScores(**json.loads(_kept(identity).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def keep_scores(identity: Sequence[Any], scores: ProbeScores) -> None:
    """Keep the scores of a model for the next training on it."""
    path = _kept(identity)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json_atomic(path, asdict(scores))


def _kept(identity: Sequence[Any]) -> Path:
    about = [FORMAT, *identity, ROWS.read_text(encoding="utf-8"), TEXTS.read_text(encoding="utf-8")]
    return cache_folder() / "forgetting" / f"{fingerprint(about)[:32]}.json"


def changes(before: ProbeScores, after: ProbeScores) -> dict[str, dict[str, Any]]:
    """Return how much each figure has changed, with its 95% interval and n: below 0 is worse, except for the texts' loss."""
    groups = {kind: [row.id for row in probe_rows() if row.kind == kind] for kind in probe_kinds()}
    found = {
        name: _change([before.right[id_] for id_ in ids], [after.right[id_] for id_ in ids])
        for name, ids in {ANSWERS: [row.id for row in probe_rows()], **groups}.items()
    }
    return {**found, TEXT: _change(list(before.losses.values()), list(after.losses.values()))}


def _change(before: Sequence[float], after: Sequence[float]) -> dict[str, Any]:
    difference = paired_difference(np.array(after), np.array(before), samples=SAMPLES, seed=SEED)
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(difference).items()}
