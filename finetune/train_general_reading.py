"""Training a general reading adapter: the generator learns to answer from passages on encyclopaedia paragraphs."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from doyen.core.answers import Passage
from doyen.core.costs import Estimate
from doyen.core.errors import InputError
from doyen.core.files import sha256_file
from doyen.core.manifest import build_manifest
from doyen.core.models import GeneratorFiles
from doyen.core.progress import Reporter, Silent
from doyen.core.settings import FinetuneSettings
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.finetune.general_reading import Paragraph, Query, hold_out, read_paragraphs
from doyen.finetune.packing import Row
from doyen.finetune.raft import Context, Example
from doyen.finetune.reading_adapter import NAME
from doyen.finetune.registry import GENERAL_READING, WEIGHTS, Adapter, Registry
from doyen.finetune.train import Examples, Lesson, MakeLesson, counts_of, estimate_training, run_training
from doyen.finetune.training_options import CHOSEN, shaping_settings
from doyen.finetune.training_rows import encode_contexts, epoch_batches

FORMAT = 1
"""Raised when the same paragraphs and settings would give other examples than before."""
PARAGRAPHS = 3
"""Paragraphs of one article that share a context: each is a distractor for the questions on the others."""
VALIDATION_ROWS = 24


def train_general_reading(
    workspace: Workspace,
    store: Store,
    paragraphs: Path,
    *,
    name: str = NAME,
    limit: int | None = None,
    start: Path | None = None,
    seen: int = 0,
    reporter: Reporter | None = None,
) -> Adapter:
    """Train a general reading adapter for the workspace's base model and register it as the next version of ``name``.

    Takes the dtype, rank, rate, epochs and batch size of ``finetune``; says before how long it takes. Interrupted, it goes on.

    Args:
        paragraphs: a file that `read_paragraphs` reads; the articles that `hold_out` names are only validated on.
        limit: paragraphs to train on at most.
        start: PEFT folder of a general reading adapter that is trained further; None begins with a fresh one.
        seen: epochs that it has seen, begun ones included: the next ones group paragraphs and order questions in other ways.

    Raises:
        Busy: another process writes to the workspace, or trains this adapter.
        InputError: the file holds no paragraphs with answered questions, or the name is that of another kind of adapter.
        ModelMissing: the base model is not there.
        StateError: memory does not suffice.
        StorageError: the disk is full.
    """
    settings, registry = workspace.settings.finetune, Registry(workspace, store)
    lesson = _lesson_on(paragraphs, name, limit, start, seen, settings)
    return run_training(workspace, registry, name, GENERAL_READING, lesson, settings, reporter or Silent())


def estimate_general_reading(
    workspace: Workspace, store: Store, paragraphs: Path, *, name: str = NAME, reporter: Reporter | None = None
) -> Estimate:
    """Return what `train_general_reading` would take, by a trial; its examples are kept, and that training goes on from them.

    Raises:
        InputError: it was trained already; else as `train_general_reading`.
    """
    settings, registry = workspace.settings.finetune, Registry(workspace, store)
    lesson = _lesson_on(paragraphs, name, None, None, 0, settings)
    return estimate_training(workspace, registry, name, GENERAL_READING, lesson, settings, reporter or Silent())


def _lesson_on(
    paragraphs: Path, name: str, limit: int | None, start: Path | None, seen: int, settings: FinetuneSettings
) -> MakeLesson:
    training, held = hold_out(read_paragraphs(paragraphs), settings.seed)

    def lesson(base: GeneratorFiles) -> Lesson:
        def make(tokenizer: Any, share: bool) -> Examples:
            numbers = range(seen, seen + math.ceil(settings.epochs))
            passes = [_rows(tokenizer, training[:limit], settings, number, share=share) for number in numbers]
            batches = epoch_batches(passes, settings.epochs, settings.batch_size, settings.seed)
            if not batches:
                raise InputError(f"{paragraphs} holds no paragraph with an answered question to learn from")
            validation = _rows(tokenizer, held, settings, -1, share=share)[:VALIDATION_ROWS]
            examples = sum(len(row.branches) for batch in batches for row in batch)
            return Examples(batches, validation, {"gold": examples, **counts_of(batches)})

        inputs = {
            "paragraphs": sha256_file(paragraphs),
            "limit": limit,
            "base": base.sha256,
            "start": sha256_file(start / WEIGHTS) if start else None,
            "seen": seen,
            "format": FORMAT,
        }
        return Lesson(name, paragraphs.name, "", _identity(inputs, settings), start, make)

    return lesson


def _identity(inputs: dict[str, Any], settings: FinetuneSettings) -> dict[str, Any]:
    names = ("rank", "alpha", "dropout", "learning_rate", "epochs", "batch_size", "max_tokens", "prefix_gradients", "dtype")
    shaping = {key: value for key, value in shaping_settings(settings).items() if key in {*names, *CHOSEN}}
    return {**build_manifest("adapter", inputs=inputs, settings=shaping, seed=settings.seed), "kind": GENERAL_READING}


def _rows(
    tokenizer: Any, paragraphs: Sequence[Paragraph], settings: FinetuneSettings, number: int, *, share: bool
) -> list[Row]:
    encoded = encode_contexts(
        tokenizer,
        contexts_of(paragraphs, settings.seed, number),
        lambda example, passages: any(example.response in passage.text for passage in passages),
        max_tokens=settings.max_tokens,
        max_branches=PARAGRAPHS * settings.batch_size,
        share=share,
    )
    return encoded.rows


def contexts_of(paragraphs: Sequence[Paragraph], seed: int, number: int) -> list[Context]:
    """Return the contexts of one epoch: paragraphs of one article together, with the answered questions on all of them.

    Nothing is refused: whether the passages answer is the reader's to tell, and a small generator that is taught to
    refuse refuses what it could answer.

        article A: p1 p2 p3 p4 p5     contexts: [p4 p1 p5] with their questions, [p3 p2] with theirs
    """
    draw = random.Random(f"{seed}/{number}")
    articles: dict[str, list[Paragraph]] = defaultdict(list)
    for paragraph in paragraphs:
        articles[paragraph.article].append(paragraph)
    found = []
    for article in sorted(articles):
        order = draw.sample(articles[article], len(articles[article]))
        for start in range(0, len(order), PARAGRAPHS):
            together = order[start : start + PARAGRAPHS]
            examples = [_example(query, number) for each in together for query in each.queries if query.answers]
            if examples:
                draw.shuffle(examples)
                found.append(Context(tuple(_passage(each) for each in together), tuple(examples)))
    return found


def _example(query: Query, number: int) -> Example:
    """Return a question with the answer that most people marked; an epoch that comes again takes another one of equal rank."""
    ranked = Counter(query.answers).most_common()
    best = [answer for answer, count in ranked if count == ranked[0][1]]
    return Example(query.id, "gold", query.question, (), best[number % len(best)])


def _passage(paragraph: Paragraph) -> Passage:
    title = paragraph.article.replace("_", " ")
    return Passage("", title, "", f"{title}.txt", 0, len(paragraph.text), None, "", 0.0, paragraph.text)
