"""Several training examples that share a context, computed as one row.

Prompts put the passages before the question, so examples over the same passages begin with the same tokens. A row holds
that common prefix once, followed by one branch for each example (the rest of its prompt, then its response). A branch sees
the prefix and itself, and its positions continue from the prefix: loss and gradients are those of the separate examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class EncodedExample:
    """Token ids of one example, as ``encode_example`` returns them.

    Attributes:
        pair: id of the labelled pair whose response it has; empty where the response is another one.
    """

    prompt_ids: tuple[int, ...]
    response_ids: tuple[int, ...]
    pair: str = ""


@dataclass(frozen=True)
class Branch:
    """What one example adds to a row's prefix.

    Attributes:
        prompt_ids: the rest of the prompt, at least one token: its last position predicts the response's first token.
        response_ids: the response with its end token.
        pair: as of ``EncodedExample``.
    """

    prompt_ids: tuple[int, ...]
    response_ids: tuple[int, ...]
    pair: str = ""

    @property
    def length(self) -> int:
        """Tokens that are fed to the model: the response's last one is only predicted."""
        return len(self.prompt_ids) + len(self.response_ids) - 1


@dataclass(frozen=True)
class Row:
    """A prefix with its branches."""

    prefix: tuple[int, ...]
    branches: tuple[Branch, ...]

    @property
    def length(self) -> int:
        """Tokens that are fed to the model."""
        return len(self.prefix) + sum(branch.length for branch in self.branches)

    @property
    def response_tokens(self) -> int:
        """Tokens that carry loss."""
        return sum(len(branch.response_ids) for branch in self.branches)

    def examples(self) -> list[EncodedExample]:
        """Return the examples as they were before they were packed."""
        return [EncodedExample(self.prefix + branch.prompt_ids, branch.response_ids, branch.pair) for branch in self.branches]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-like form that ``from_json`` reads."""
        return {
            "prefix": list(self.prefix),
            "branches": [[list(branch.prompt_ids), list(branch.response_ids), branch.pair] for branch in self.branches],
        }

    @staticmethod
    def from_json(value: dict[str, Any]) -> Row:
        """Read what ``to_json`` wrote; earlier versions wrote no pairs."""
        branches = tuple(Branch(tuple(prompt), tuple(response), *pair) for prompt, response, *pair in value["branches"])
        return Row(tuple(value["prefix"]), branches)


def common_prefix_length(sequences: Sequence[tuple[int, ...]]) -> int:
    """Return how many leading items all sequences share: as many as the first and the last in order do."""
    first, last = min(sequences), max(sequences)
    length = 0
    for a, b in zip(first, last, strict=False):
        if a != b:
            break
        length += 1
    return length


def pack(examples: Sequence[EncodedExample]) -> Row:
    """Pack examples into one row; with nothing in common its prefix is empty."""
    shared = common_prefix_length([example.prompt_ids for example in examples])
    # The token that predicts a response must belong to the branch, also where two prompts are equal.
    shared = min(shared, min(len(example.prompt_ids) for example in examples) - 1)
    branches = tuple(Branch(example.prompt_ids[shared:], example.response_ids, example.pair) for example in examples)
    return Row(examples[0].prompt_ids[:shared], branches)


def pack_within(examples: Sequence[EncodedExample], max_tokens: int, max_branches: int) -> list[Row]:
    """Pack examples, in their order, into as few rows as keep to ``max_tokens`` and ``max_branches``.

    An example longer than ``max_tokens`` gets a row of its own.
    """
    rows: list[Row] = []
    waiting: list[EncodedExample] = []
    for example in examples:
        if waiting and (len(waiting) == max_branches or pack([*waiting, example]).length > max_tokens):
            rows.append(pack(waiting))
            waiting = []
        waiting.append(example)
    return [*rows, pack(waiting)] if waiting else rows
