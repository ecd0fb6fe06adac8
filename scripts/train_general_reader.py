"""Train the general reader that comes with Doyen, and write it to retrieval/reading/general.

    python scripts/train_general_reader.py ../shared/data/squad/paragraphs.jsonl

Takes about two hours on two idle cores with AVX2, 75 minutes with AVX-512. It can be stopped: the same command goes on from
the last checkpoint. README.md beside the reader is its card: write the figures of ``python benchmarks/reading.py squad`` there.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from doyen import Doyen
from doyen.core.progress import Terminal
from doyen.core.workspace import create_workspace
from doyen.finetune.answer_spans import find_quote
from doyen.finetune.general_reading import Paragraph, Query, hold_out, make_examples, read_paragraphs
from doyen.finetune.gold_passages import load_sources
from doyen.finetune.reader_fit import Case, fit_probability, fit_ranking, fit_span_probability, read_cases
from doyen.finetune.reader_training import fit_reader, make_batches, make_rows
from doyen.finetune.swapped_questions import values_of
from doyen.finetune.train_reader import swapped_case
from doyen.finetune.trainer import Schedule
from doyen.retrieval.reading.reader import Reader
from doyen.retrieval.reading.reader_files import GENERAL_READER
from doyen.retrieval.reading.reader_network import ReaderConfig, load_network, new_network, save_network

SEED = 17
LEARNING_RATE = 1.5e-4
QUESTIONS = 200
"""Held-out questions that ranking and probability are fitted to."""


def main() -> None:
    """Train and write the reader."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paragraphs", type=Path)
    parser.add_argument("--epochs", type=float, default=3.0)
    parser.add_argument("--start", type=Path, help="folder of a reader to go on from, instead of the packaged encoder")
    parser.add_argument("--seen", type=int, default=0, help="epochs that it has seen: the next ones draw other examples")
    parser.add_argument("--learning-rate", type=float, default=LEARNING_RATE)
    parser.add_argument("--out", type=Path, default=GENERAL_READER)
    parser.add_argument("--run", type=Path, default=Path(".cache/general-reader"), help="folder of the checkpoints")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--limit", type=int, default=None, help="paragraphs to train on, for a trial")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    network, tokenizer, config = load_network(options.start) if options.start else new_network()
    config = replace(config, first_trained_layer=0)
    training, held = hold_out(read_paragraphs(options.paragraphs), SEED)
    steps = []
    for number in range(math.ceil(options.epochs)):
        rows = make_rows(tokenizer, make_examples(training[: options.limit], SEED, options.seen + number))
        found = make_batches(rows, f"{SEED}/{options.seen + number}")
        steps += found[: math.ceil(min(1.0, options.epochs - number) * len(found))]
    print(f"{len(steps)} steps", file=sys.stderr)  # noqa: T201
    started = time.monotonic()
    schedule = Schedule(options.learning_rate, 100, SEED, 0.01)
    losses = fit_reader(network, steps, schedule, options.run, Terminal(), first_layer=config.first_trained_layer)
    options.out.mkdir(parents=True, exist_ok=True)
    save_network(network, config, options.out)
    print(json.dumps({"seconds": time.monotonic() - started, "loss": sum(losses[-50:]) / 50}))  # noqa: T201
    articles = sorted({item.article for item in held})
    config = calibrate(config, options.out, [item for item in held if item.article in articles[: len(articles) // 2]])
    save_network(network, config, options.out)


def calibrate(config: ReaderConfig, folder: Path, paragraphs: Sequence[Paragraph]) -> ReaderConfig:
    """Fit ranking and probability to articles that training never saw, with the passages that our own retriever finds."""
    with tempfile.TemporaryDirectory() as place:
        documents = Path(place) / "documents"
        documents.mkdir()
        for article in {item.article for item in paragraphs}:
            text = "\n\n".join(item.text for item in paragraphs if item.article == article)
            (documents / f"{article.replace('/', ' ')}.txt").write_text(text, encoding="utf-8")
        with Doyen(create_workspace(Path(place) / "workspace", "calibration"), reporter=Terminal()) as doyen:
            doyen.ingest([documents])
            read = read_cases(Reader(folder), cases(doyen, paragraphs))
    ranking = fit_ranking(read, 3, config.ranking)
    return replace(
        config,
        ranking=ranking,
        calibration=fit_probability(read, config.calibration),
        span_calibration=fit_span_probability(read, ranking, config.span_calibration),
    )


def cases(doyen: Doyen, paragraphs: Sequence[Paragraph]) -> list[Case]:
    """Return some questions with what is retrieved for them, without their own article, and with another value in them."""
    draw, values = random.Random(SEED), values_of(query.question for item in paragraphs for query in item.queries)
    asked = [(query, item) for item in paragraphs for query in item.queries]
    chosen = draw.sample(asked, min(QUESTIONS, len(asked)))
    own = load_sources(doyen.store, [f"{item.article.replace('/', ' ')}.txt" for _, item in chosen])
    found = []
    for query, item in chosen:
        document = own[f"{item.article.replace('/', ' ')}.txt"].document_id
        passages = doyen.retriever.retrieve(query.question, 8)
        golds = [each.document_id == document and _holds(each.text, query) for each in passages]
        found.append(Case(query.question, passages, query.answers if any(golds) else [], golds))
        if any(golds) and (swapped := swapped_case(query.question, passages, values, doyen.retriever, draw)):
            found.append(swapped)
        if others := doyen.retriever.retrieve(query.question, 8, exclude_documents=[document]):
            found.append(Case(query.question, others, [], [False] * len(others)))
    return found


def _holds(text: str, query: Query) -> bool:
    return any(find_quote(answer, text) for answer in query.answers)


if __name__ == "__main__":
    main()
