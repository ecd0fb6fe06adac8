"""What a reader learns of a domain: the pairs' questions with the passages that our own retriever finds for them.

A passage that holds the evidence answers; one that was found but does not hold it is a hard negative. A question with a
number, code or name of another question in it asks for something that the same passage does not say (2310.19403).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from doyen.core.answers import Passage
from doyen.finetune.answer_spans import answer_span
from doyen.finetune.gold_passages import holds_evidence
from doyen.finetune.mining import MinedPair
from doyen.finetune.reader_training import ReadingExample
from doyen.finetune.swapped_questions import swap_value, values_of
from doyen.retrieval.query import standalone_query

POSITIVES = 1
"""Passages with the evidence that an epoch shows of a pair, the highest ranked."""
NEGATIVES = 2
"""Passages without it, drawn anew for each epoch from those that retrieval ranks highest."""
SWAPPED = 0.3
"""Share of answerable pairs that also come with another number, code or name in their question."""


def reading_examples(mined: Sequence[MinedPair], seed: int, number: int) -> list[ReadingExample]:
    """Return the examples of one epoch.

    Args:
        number: of the epoch, from 0.
    """
    draw = random.Random(f"{seed}/{number}")
    values = values_of(question_of(item) for item in mined)
    examples = []
    for item in mined:
        question = question_of(item)
        golds, others = _sorted(item)
        examples += [ReadingExample(question, gold.text, True, answer_span(item.pair, gold.text)) for gold in golds[:POSITIVES]]
        examples += [ReadingExample(question, other.text) for other in draw.sample(others, min(NEGATIVES, len(others)))]
        if golds and draw.random() < SWAPPED and (swapped := swap_value(question, [golds[0].text], values, draw)):
            examples.append(ReadingExample(swapped, golds[0].text))
    return examples


def question_of(item: MinedPair) -> str:
    """Return the pair's question, a follow-up made to stand alone."""
    return standalone_query(item.pair.prompt, item.pair.history)


def _sorted(item: MinedPair) -> tuple[list[Passage], list[Passage]]:
    """Return the passages that hold evidence of the pair, and those that surely do not answer it."""
    golds = list({id(passage): passage for quote in item.quotes for passage in quote}.values())
    others = [passage for passage in item.ranked if passage not in golds and not item.maybe_answered_by([passage])]
    return golds, others if golds or not item.pair.answerable else []


def is_answered(item: MinedPair, passages: Sequence[Passage]) -> bool | None:
    """Return whether the passages answer the pair; None where it cannot be told."""
    if any(holds_evidence(item.pair, passage.text) for passage in passages):
        return True
    return None if item.pair.answerable and item.maybe_answered_by(passages) else False
